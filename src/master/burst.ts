import type { Report } from "./orders.ts";

type State =
  /** Not ready yet, and nothing is known to wait for it. */
  | "starting"
  /** It has jobs, or those of its predecessor, or may take some. */
  | "busy"
  | "idle";

/**
 * Decides when burst mode is over: all workers are idle, and since then each
 * has counted no job that must be awaited, one of them twice in a row. (One
 * reading is not enough: a job that moves between two states can miss being
 * counted. That of one worker is not: another may have been given a job that it
 * does not know of yet.)
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
    if (!this.#allIdle()) return false;
    let most = 0;
    for (const [place, state] of this.#states) {
      if (state !== "idle") continue;
      const readings = this.#emptyReadings.get(place) ?? 0;
      if (readings === 0) return false;
      most = Math.max(most, readings);
    }
    return most >= 2;
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
