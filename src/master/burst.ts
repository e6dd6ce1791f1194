import type { Report } from "./orders.ts";

type State =
  /** Not ready yet, and nothing is known to wait for it. */
  | "starting"
  /** It has jobs, or those of its predecessor, or may take some. */
  | "busy"
  | "idle";

/**
 * Decides when burst mode is over: all workers are idle, and since then one of
 * them has twice in a row counted no job that must be awaited. (One reading is
 * not enough: a job that moves between two states can miss being counted.)
 */
export class Burst {
  readonly #states = new Map<object, State>();
  readonly #emptyReadings = new Map<object, number>();
  #failed = false;

  /** A worker is being started in a place that had none. */
  started(place: object): void {
    if (!this.#states.has(place)) this.#states.set(place, "starting");
  }

  /** The worker of a place has died: what it held waits for the next one. */
  died(place: object): void {
    this.#states.set(place, "busy");
    this.#emptyReadings.clear();
  }

  /** A place was given up. */
  left(place: object): void {
    this.#states.delete(place);
    this.#emptyReadings.clear();
  }

  /** The worker of a place has reported. */
  reported(place: object, report: Report): void {
    switch (report.report) {
      case "idle":
        return this.#idle(place, report.waiting);
      case "failed":
        this.#failed = true;
        return;
      case "ready":
      case "busy":
      case "replace":
        this.#states.set(place, "busy");
        this.#emptyReadings.clear();
    }
  }

  /** Nothing is left to do. */
  get over(): boolean {
    return this.#allIdle() &&
      [...this.#emptyReadings.values()].some((readings) => readings >= 2);
  }

  /** A job of this master has failed for good. */
  get failed(): boolean {
    return this.#failed;
  }

  #idle(place: object, waiting: number): void {
    this.#states.set(place, "idle");
    if (waiting > 0 || !this.#allIdle()) return this.#emptyReadings.clear();
    const readings = this.#emptyReadings.get(place) ?? 0;
    this.#emptyReadings.set(place, readings + 1);
  }

  #allIdle(): boolean {
    let someIdle = false;
    for (const state of this.#states.values()) {
      if (state === "busy") return false;
      if (state === "idle") someIdle = true;
    }
    return someIdle;
  }
}
