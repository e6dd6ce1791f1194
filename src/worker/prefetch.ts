import type { Batch } from "../broker/broker.ts";

/**
 * The most jobs that a worker reserves or settles with one command. More make
 * nothing faster, and other clients of a Redis server would wait longer: with
 * 1,000 the p99 of their PING was twice as high while two workers drained.
 */
export const BATCH_JOBS = 500;
/**
 * The same of text. With half of it jobs of 10 KiB take a quarter longer, with
 * twice as much no less.
 */
export const BATCH_BYTES = 256 * 1024;
/** A batch that takes longer than this is too large to hold. */
const BATCH_MS = 100;
/** So that the job thread always finds work while the broker answers. */
const BATCHES_IN_FLIGHT = 3;
/**
 * Jobs that wait behind one that does not move are taken back after this; after
 * twice as long whenever the thread was only busy for a while.
 */
const TAKE_BACK_MS = { least: 100, most: 3_200 };
const MAX_IN_FLIGHT = BATCH_JOBS * BATCHES_IN_FLIGHT;

/** What a worker has in flight at this moment. */
export interface InFlight {
  /** Handed to the job thread and not started. */
  readonly waiting: number;
  /** Started and not ended. */
  readonly started: number;
}

/**
 * How many jobs a worker may hold: as much as it does in about 100 ms. The
 * window doubles when a batch takes less, halves when it takes more or when
 * jobs had to be taken back; then nothing is reserved until the job thread shows
 * that it goes on. Time is passed in.
 */
export class Prefetch {
  readonly #concurrency: number;
  #window: number;
  /** Jobs were taken back, and the thread has not shown that it goes on. */
  #blocked = false;
  #moved = { count: -1, atMs: 0 };
  #patienceMs = TAKE_BACK_MS.least;

  /** @param concurrency Asynchronous jobs at once. */
  constructor(concurrency: number) {
    this.#concurrency = concurrency;
    this.#window = concurrency;
  }

  /** How many jobs may be reserved now; 0: none. */
  limit({ waiting, started }: InFlight): number {
    if (this.#blocked) return 0;
    const total = waiting + started;
    const batch = Math.ceil(this.#window / BATCHES_IN_FLIGHT);
    const room = this.#window - total;
    if (room >= batch) return room;
    // All that was handed over has started, so the thread is free for more.
    if (waiting === 0 && started < this.#concurrency) {
      return Math.min(this.#concurrency - started, this.#window);
    }
    return 0;
  }

  /** A batch has ended, `tookMs` after it was handed over. */
  batchEnded(tookMs: number): void {
    if (tookMs > BATCH_MS) this.#shrink();
    else this.#window = Math.min(MAX_IN_FLIGHT, this.#window * 2);
  }

  /** A job has ended, so the thread is free again. */
  jobEnded(): void {
    this.#blocked = false;
    this.#patienceMs = TAKE_BACK_MS.least;
  }

  /** Whether it is time to take back what waits: nothing starts or ends. */
  isStuck(moved: number, nowMs: number): boolean {
    if (moved !== this.#moved.count) {
      this.#moved = { count: moved, atMs: nowMs };
    }
    return nowMs - this.#moved.atMs >= this.#patienceMs;
  }

  /**
   * The thread is free again, and so many jobs run on: it has no use for more
   * than it has places, as what is beyond these was just taken back.
   */
  answered(started: number): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    // Else jobs would come and go for as long as it is busy again and again.
    this.#patienceMs = Math.min(TAKE_BACK_MS.most, 2 * this.#patienceMs);
    if (started >= this.#concurrency) {
      this.#window = Math.min(this.#window, started);
    }
  }

  /** Jobs that had not started were taken back. */
  takenBack(): void {
    this.#shrink();
    this.#blocked = true;
  }

  #shrink(): void {
    this.#window = Math.max(1, Math.floor(this.#window / 2));
  }
}

/** Whether a queue had no more ready jobs than these, of at most `limit`. */
export function isAll(
  { kind, messages }: Pick<Batch, "kind" | "messages">,
  limit: number,
): boolean {
  if (kind !== "ready" || messages.length >= limit) return false;
  // Another one may have been too long for the rest.
  const length = messages.reduce((sum, { length }) => sum + length, 0);
  return length < BATCH_BYTES / 2;
}
