import type { Rate } from "../control.ts";
import type { Store } from "./store.ts";

/** A period is counted in so many slots, each of which counts until it is over. */
const SLOTS = 20;

/** What a rate has counted in its period; see `groups.lua`. */
export class RateWindow {
  readonly #store: Store;
  readonly #queue: number;
  readonly #group: string;
  readonly #rate: Rate;
  readonly #width: number;
  readonly #slot: number;
  #used: number;
  readonly #oldest: number;

  /** @param group Empty: the whole queue. */
  constructor(store: Store, queue: number, group: string, rate: Rate) {
    this.#store = store;
    this.#queue = queue;
    this.#group = group;
    this.#rate = rate;
    this.#width = Math.max(1, Math.ceil(rate.perMs / SLOTS));
    this.#slot = Math.floor(store.now() / this.#width);
    // A clock that went far back must not stop the queue.
    const [used, oldest] = store.db.row(
      `SELECT coalesce(sum(jobs), 0), min(slot) FROM rate
         WHERE queue = ? AND grp = ? AND width = ?
           AND slot BETWEEN ? AND ?`,
      queue,
      group,
      this.#width,
      this.#slot - SLOTS,
      this.#slot + SLOTS,
    ) as [number, number | null];
    this.#used = used;
    this.#oldest = oldest ?? this.#slot;
  }

  /** How many more jobs may go now. */
  get room(): number {
    return this.#rate.jobs - this.#used;
  }

  /** When there is more room, in milliseconds since 1970. */
  get freesAtMs(): number {
    return (this.#oldest + SLOTS + 1) * this.#width;
  }

  /** Counts jobs that go. */
  count(jobs: number): void {
    if (jobs === 0) return;
    this.#used += jobs;
    this.#store.db.run(
      `INSERT INTO rate (queue, grp, width, slot, jobs, until)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs`,
      this.#queue,
      this.#group,
      this.#width,
      this.#slot,
      jobs,
      (this.#slot + SLOTS + 2) * this.#width,
    );
  }
}
