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

/** The clocks of this thread; each thread's steady one begins at its own zero. */
export const clocks: Clocks = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
};

/**
 * How old this worker's lease is. It has one in each queue where it holds
 * something, and the oldest of them counts. Its age counts from before the
 * command that renewed it was sent. Until when jobs may start stands in shared
 * memory, for both clocks, so that the job thread sees it without a message,
 * also right after the whole process was stopped for a while.
 */
export class Lease {
  /**
   * Two `Float64`: the moments after which no job starts, by the wall clock,
   * and by the steady clock of the job thread.
   */
  readonly shared: SharedArrayBuffer = new SharedArrayBuffer(16);
  readonly #limits = new Float64Array(this.shared);
  readonly #renewals = new Map<string, Moment>();
  readonly #clocks: Clocks;
  #wallLimitMs = Infinity;
  #steadyLimitMs = Infinity;
  #threadBehindMs = 0;

  /** @param now Clocks; the process's own by default. */
  constructor(now: Clocks = clocks) {
    this.#clocks = now;
    this.#update();
  }

  /**
   * Says how much less the steady clock of the job thread shows than that of
   * this one; rather too much than too little, so that no job starts too late.
   */
  threadIsBehind(ms: number): void {
    this.#threadBehindMs = ms;
    this.#update();
  }

  /** To be called before a command is sent; its answer goes to `renewed`. */
  moment(): Moment {
    return {
      wallMs: this.#clocks.wallMs(),
      steadyMs: this.#clocks.steadyMs(),
    };
  }

  /** A renewal, or a reserve, of this queue was sent at `moment` and answered. */
  renewed(queue: string, moment: Moment): void {
    const last = this.#renewals.get(queue);
    if (last !== undefined && last.steadyMs > moment.steadyMs) return;
    this.#renewals.set(queue, moment);
    this.#update();
  }

  /** Nothing is held in this queue, so nothing can lapse there. */
  idle(queue: string): void {
    if (this.#renewals.delete(queue)) this.#update();
  }

  /** How old the oldest is, by the clock that says more; 0: there is none. */
  get ageMs(): number {
    if (this.#renewals.size === 0) return 0;
    const wallMs = this.#clocks.wallMs() - this.#wallLimitMs;
    const steadyMs = this.#clocks.steadyMs() - this.#steadyLimitMs;
    return Math.max(0, DOUBT_MS + Math.max(wallMs, steadyMs));
  }

  /** Too old by one of the clocks: no job may start. */
  get inDoubt(): boolean {
    return this.#clocks.wallMs() > this.#wallLimitMs ||
      this.#clocks.steadyMs() > this.#steadyLimitMs;
  }

  #update(): void {
    let wallMs = Infinity;
    let steadyMs = Infinity;
    for (const renewal of this.#renewals.values()) {
      wallMs = Math.min(wallMs, renewal.wallMs);
      steadyMs = Math.min(steadyMs, renewal.steadyMs);
    }
    this.#wallLimitMs = wallMs + DOUBT_MS;
    this.#steadyLimitMs = steadyMs + DOUBT_MS;
    this.#limits[0] = this.#wallLimitMs;
    this.#limits[1] = this.#steadyLimitMs - this.#threadBehindMs;
  }
}
