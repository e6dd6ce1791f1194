import type { Dsn } from "../dsn.ts";
import type { FailedRecord, Inspector } from "../inspector.ts";
import { LIMITS } from "../limits.ts";
import { textOf } from "./database.ts";
import { forgetOutcome } from "./results.ts";
import { openDatabase } from "./schema.ts";
import { Store } from "./store.ts";
import { Transactions } from "./transaction.ts";
import { WakeUp } from "./wake_up.ts";

/** Entries of the failed set that are read at once. */
const PAGE = 100;

/** Looks into the queues of a file. */
export class SqliteInspector implements Inspector {
  readonly #store: Store;
  readonly #transactions: Transactions;
  readonly #wakeUp: WakeUp;

  /** Disposing it closes all of these. */
  constructor(
    store: Store,
    transactions: Transactions,
    wakeUp: WakeUp,
  ) {
    this.#store = store;
    this.#transactions = transactions;
    this.#wakeUp = wakeUp;
  }

  /** Opens the file that a DSN names; errors as of `SqliteBroker.open`. */
  static async open(
    { path }: Dsn & { readonly kind: "sqlite" },
  ): Promise<SqliteInspector> {
    const db = await openDatabase(path);
    const store = new Store(db, LIMITS, Date.now);
    const wakeUp = new WakeUp(path);
    const transactions = new Transactions(db, path, () => {
      if (store.takeNews()) wakeUp.give();
    });
    return new SqliteInspector(store, transactions, wakeUp);
  }

  queues(): Promise<string[]> {
    return this.#transactions.read(
      "read the names of queues",
      () =>
        this.#store.db.rows("SELECT name FROM queue ORDER BY name")
          .map(([name]) => name as string),
    );
  }

  async *failed(name: string): AsyncIterable<FailedRecord> {
    let at = -Infinity;
    let seq = -1;
    for (;;) {
      const page = await this.#transactions.read(
        "read failed jobs",
        () =>
          this.#store.db.rows(
            `SELECT at, seq, entry FROM failed
             WHERE queue = (SELECT id FROM queue WHERE name = ?)
               AND (at, seq) > (?, ?) ORDER BY at, seq LIMIT ?`,
            name,
            at,
            seq,
            PAGE,
          ),
      );
      for (const row of page) {
        [at, seq] = row as number[];
        yield {
          queue: name,
          key: String(seq),
          atMs: at,
          entry: textOf(row[2]),
        };
      }
      if (page.length < PAGE) return;
    }
  }

  replay(record: FailedRecord, message: string, id?: string): Promise<boolean> {
    return this.#transactions.write("replay a failed job", () => {
      if (!this.#remove(record)) return false;
      const queue = this.#store.queue(record.queue);
      if (id !== undefined) forgetOutcome(this.#store, queue, id);
      this.#store.push(queue, [message]);
      return true;
    });
  }

  remove(record: FailedRecord): Promise<boolean> {
    return this.#transactions.write(
      "remove a failed job",
      () => this.#remove(record),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transactions[Symbol.asyncDispose]();
    this.#wakeUp[Symbol.dispose]();
    this.#store.db[Symbol.dispose]();
  }

  #remove({ queue, key }: FailedRecord): boolean {
    return this.#store.db.run(
      `DELETE FROM failed WHERE seq = ?
         AND queue = (SELECT id FROM queue WHERE name = ?)`,
      Number(key),
      queue,
    ) === 1;
  }
}
