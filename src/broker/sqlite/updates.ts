import type { Updates, UpdatesPage } from "../updates.ts";
import type { Store } from "./store.ts";
import type { Transactions } from "./transaction.ts";
import type { WakeUp } from "./wake_up.ts";

/** Jobs whose updates are removed in one step because of their age. */
const EXPIRE_JOBS = 100;

/** The updates of jobs, numbered in the order of their queue. */
export class SqliteUpdates implements Updates {
  readonly #store: Store;
  readonly #transactions: Transactions;
  readonly #wakeUp: WakeUp;

  constructor(store: Store, transactions: Transactions, wakeUp: WakeUp) {
    this.#store = store;
    this.#transactions = transactions;
    this.#wakeUp = wakeUp;
  }

  append(
    worker: string | undefined,
    queue: string,
    id: string,
    updates: readonly string[],
  ): Promise<void> {
    return this.#transactions.write("store updates", () => {
      const number = this.#store.queue(queue);
      if (worker !== undefined) this.#store.requirePlace(number, worker);
      append(this.#store, number, id, updates);
    });
  }

  read(
    queue: string,
    id: string,
    position: string | undefined,
    limit: number,
  ): Promise<UpdatesPage> {
    return this.#transactions.read("read updates", () => {
      const rows = this.#store.db.rows(
        `SELECT seq, body FROM job_update
           WHERE queue = (SELECT id FROM queue WHERE name = ?) AND job = ?
             AND seq > ? ORDER BY seq LIMIT ?`,
        queue,
        id,
        Number(position ?? 0),
        limit,
      ) as [number, string][];
      return {
        updates: rows.map(([, body]) => body),
        position: rows.length > 0 ? String(rows.at(-1)![0]) : position,
      };
    });
  }

  async watch(
    queue: string,
    id: string,
    changed: () => void,
  ): Promise<AsyncDisposable> {
    let last: number | undefined;
    const look = async () => {
      const found = await this.#transactions.read(
        "watch updates",
        () => lastUpdate(this.#store, queue, id),
      );
      if (last !== undefined && found > last) changed();
      last = Math.max(found, last ?? 0);
    };
    // The next look finds what one that failed did not.
    const listening = this.#wakeUp.listen(() => void look().catch(() => {}));
    try {
      await look();
    } catch (error) {
      listening[Symbol.dispose]();
      throw error;
    }
    return {
      [Symbol.asyncDispose]: () => {
        listening[Symbol.dispose]();
        return Promise.resolve();
      },
    };
  }
}

/** Removes updates of jobs that reported nothing for long; some at a time. */
export function expireUpdates(store: Store, queue: number): void {
  const jobs = store.db.rows(
    "SELECT job FROM updated_job WHERE queue = ? AND until <= ? LIMIT ?",
    queue,
    store.now(),
    EXPIRE_JOBS,
  );
  for (const [job] of jobs) {
    for (const table of ["job_update", "updated_job"]) {
      store.db.run(
        `DELETE FROM ${table} WHERE queue = ? AND job = ?`,
        queue,
        job,
      );
    }
  }
}

function append(
  store: Store,
  queue: number,
  id: string,
  updates: readonly string[],
): void {
  if (updates.length === 0) return;
  store.db.run(
    `INSERT INTO job_update (queue, job, seq, body)
       SELECT ?, ?, ? + key, value FROM json_each(?)`,
    queue,
    id,
    store.numbers(queue, updates.length),
    JSON.stringify(updates),
  );
  store.db.run(
    `DELETE FROM job_update WHERE queue = ? AND job = ? AND seq <=
       (SELECT seq FROM job_update WHERE queue = ? AND job = ?
          ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
    queue,
    id,
    queue,
    id,
    store.limits.updates,
  );
  store.db.run(
    "INSERT OR REPLACE INTO updated_job (queue, job, until) VALUES (?, ?, ?)",
    queue,
    id,
    store.now() + store.limits.updateAgeMs,
  );
  store.announce();
}

function lastUpdate(store: Store, queue: string, id: string): number {
  return (store.db.value(
    `SELECT max(seq) FROM job_update
       WHERE queue = (SELECT id FROM queue WHERE name = ?) AND job = ?`,
    queue,
    id,
  ) ?? 0) as number;
}
