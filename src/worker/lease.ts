import { LEASE_TICKS, TICK_MS } from "../broker/broker.ts";

/** Jobs start only while the last renewal is younger than this. */
const DOUBT_MS = LEASE_TICKS * TICK_MS / 2;

/** Reads both clocks; a test passes its own. */
export interface Clocks {
  /** Jumps when somebody sets it; goes on while the machine sleeps. */
  wallMs(): number;
  /** Never jumps, but may stand still while the machine sleeps. */
  steadyMs(): number;
}

/** A point in time by both clocks. */
export interface Moment {
  readonly wallMs: number;
  readonly steadyMs: number;
}

/** The clocks of this process, the same for all its threads. */
export const clocks: Clocks = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.timeOrigin + performance.now(),
};

/**
 * How old this worker's lease is. Its age counts from before the renewal was
 * sent. Until when jobs may start stands in shared memory, for both clocks, so
 * that the job thread sees it without a message, also right after the whole
 * process was stopped for a while.
 */
export class Lease {
  /** Two `Float64`: the moments, by wall and steady clock, after which no job starts. */
  readonly shared: SharedArrayBuffer = new SharedArrayBuffer(16);
  readonly #limits = new Float64Array(this.shared);
  readonly #clocks: Clocks;

  /** @param now Clocks; the process's own by default. */
  constructor(now: Clocks = clocks) {
    this.#clocks = now;
    this.#limits.fill(Infinity);
  }

  /** To be called before a renewal is sent; the answer goes to `renewed`. */
  moment(): Moment {
    return {
      wallMs: this.#clocks.wallMs(),
      steadyMs: this.#clocks.steadyMs(),
    };
  }

  /** The renewal that was sent at `moment` was answered. */
  renewed(moment: Moment): void {
    this.#limits[0] = moment.wallMs + DOUBT_MS;
    this.#limits[1] = moment.steadyMs + DOUBT_MS;
  }

  /**
   * The first jobs were reserved, by a command sent at `moment`. Later ones
   * change nothing: they renew in one queue, and older jobs may be of others.
   */
  begun(moment: Moment): void {
    if (this.#limits[0] === Infinity) this.renewed(moment);
  }

  /** Nothing is held, so nothing can lapse. */
  idle(): void {
    this.#limits.fill(Infinity);
  }

  /** Too old by one of the clocks: no job may start. */
  get inDoubt(): boolean {
    return this.#clocks.wallMs() > this.#limits[0] ||
      this.#clocks.steadyMs() > this.#limits[1];
  }
}
