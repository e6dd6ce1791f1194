import { CronTimes } from "./cron.ts";

/** What becomes of due times that nobody was there for. */
export type Missed = "last" | "all" | "none";

/** When a schedule is due, as it is stored. */
export interface Timing {
  readonly cron?: string;
  readonly timeZone?: string;
  /** Seconds. */
  readonly every?: number;
  readonly missed: Missed;
}

/** What a worker does with a schedule that is due. */
export interface Due {
  /** Due times that get a job, oldest first. */
  readonly firedMs: readonly number[];
  /** The next due time; none: never again. */
  readonly nextMs?: number;
}

export const DEFAULT_TIME_ZONE = "UTC";
/** Whoever is so late was busy and not away: nothing is missed. */
export const ON_TIME_MS = 15_000;
/** Due times of one schedule in one step. */
const MAX_FIRED = 100;
/** The first look for the last of many due times goes back so far. */
const LOOK_BACK_MS = 60_000;

/** The due times of one schedule. */
export class DueTimes {
  readonly #missed: Missed;
  readonly #nextMs: (afterMs: number) => number | undefined;

  /** @throws {ArgumentError} If the cron expression or zone can't be read. */
  constructor({ cron, timeZone, every, missed }: Timing) {
    this.#missed = missed;
    if (cron !== undefined) {
      const times = new CronTimes(cron, timeZone ?? DEFAULT_TIME_ZONE);
      this.#nextMs = (afterMs) => times.nextMs(afterMs);
    } else {
      // Of all that say so at any time, each means the same moments.
      const everyMs = every! * 1000;
      this.#nextMs = (afterMs) => (Math.floor(afterMs / everyMs) + 1) * everyMs;
    }
  }

  /** The first due time after `afterMs`; none: never again. */
  nextMs(afterMs: number): number | undefined {
    return this.#nextMs(afterMs);
  }

  /** What to do at `nowMs`, if `dueMs` is the oldest due time without a job. */
  due(dueMs: number, nowMs: number): Due {
    if (dueMs >= nowMs - ON_TIME_MS || this.#missed === "all") {
      const firedMs: number[] = [];
      let nextMs: number | undefined = dueMs;
      while (
        nextMs !== undefined && nextMs <= nowMs && firedMs.length < MAX_FIRED
      ) {
        firedMs.push(nextMs);
        nextMs = this.#nextMs(nextMs);
      }
      return { firedMs, nextMs };
    }
    return {
      firedMs: this.#missed === "none" ? [] : [this.#lastMs(dueMs, nowMs)],
      nextMs: this.#nextMs(nowMs),
    };
  }

  /** The last due time until `nowMs`, without going through all since `dueMs`. */
  #lastMs(dueMs: number, nowMs: number): number {
    for (let backMs = LOOK_BACK_MS; nowMs - backMs > dueMs; backMs *= 2) {
      const nextMs = this.#nextMs(nowMs - backMs);
      if (nextMs !== undefined && nextMs <= nowMs) {
        return this.#lastFromMs(nextMs, nowMs);
      }
    }
    return this.#lastFromMs(dueMs, nowMs);
  }

  #lastFromMs(dueMs: number, nowMs: number): number {
    for (;;) {
      const nextMs = this.#nextMs(dueMs);
      if (nextMs === undefined || nextMs > nowMs) return dueMs;
      dueMs = nextMs;
    }
  }
}
