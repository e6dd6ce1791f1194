import {
  type Broker,
  type Counts,
  SchemaError,
  WrongTypeError,
} from "../broker/broker.ts";
import type { Report } from "../master/orders.ts";

const LOOK_EVERY_MS = 100;
/** The first two looks: they are enough if nothing is left. */
const FIRST_LOOKS_MS = [0, 5];

/**
 * In burst mode: tells the master again and again, while this worker is idle,
 * how many jobs are left that must be awaited.
 */
export class BurstReport {
  readonly #broker: Broker;
  readonly #queues: readonly string[];
  readonly #report: (report: Report) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Over the queues of one worker. */
  constructor(
    broker: Broker,
    queues: readonly string[],
    report: (report: Report) => void,
  ) {
    this.#broker = broker;
    this.#queues = queues;
    this.#report = report;
  }

  /** The worker is idle; `stillIdle` is asked again after each look. */
  idle(stillIdle: () => boolean): void {
    if (this.#timer === undefined) this.#lookIn(stillIdle, FIRST_LOOKS_MS);
  }

  /** The worker has jobs. */
  busy(): void {
    if (this.#timer === undefined) return;
    this.end();
    this.#report({ report: "busy" });
  }

  /** No more reports. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookIn(
    stillIdle: () => boolean,
    [nextMs = LOOK_EVERY_MS, ...restMs]: readonly number[],
  ): void {
    const timer = this.#timer = setTimeout(async () => {
      const waiting = stillIdle() ? await this.#count() : undefined;
      // Ended meanwhile, or begun anew: what was counted is old.
      if (this.#timer !== timer) return;
      if (waiting !== undefined && stillIdle()) {
        this.#report({ report: "idle", waiting });
      }
      this.#lookIn(stillIdle, restMs);
    }, nextMs);
  }

  /** Nothing: the broker can't be reached for the moment, so burst goes on. */
  async #count(): Promise<number | undefined> {
    try {
      let waiting = 0;
      for (const [queue, counts] of await this.#counts()) {
        const { ready, suspect, crashed, retry, heldByLate } = counts;
        waiting += heldByLate;
        const left = ready + suspect + crashed + retry;
        // Of a paused queue nobody can say when it is served again.
        if (left === 0 || (await this.#broker.control.state(queue)).paused) {
          continue;
        }
        waiting += left;
      }
      return waiting;
    } catch {
      return undefined;
    }
  }

  /** Of the queues that can be served. */
  async #counts(): Promise<[string, Counts][]> {
    try {
      const counts = await this.#broker.counts(this.#queues);
      return this.#queues.map((queue, index) => [queue, counts[index]]);
    } catch (error) {
      if (!isSpoiled(error)) throw error;
    }
    const found: [string, Counts][] = [];
    for (const queue of this.#queues) {
      try {
        found.push([queue, (await this.#broker.counts([queue]))[0]]);
      } catch (error) {
        if (!isSpoiled(error)) throw error;
      }
    }
    return found;
  }
}

/** Nobody serves such a queue, so nobody waits for what is in it. */
function isSpoiled(error: unknown): boolean {
  return error instanceof WrongTypeError || error instanceof SchemaError;
}
