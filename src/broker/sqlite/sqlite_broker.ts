import { BrokerError } from "../../errors.ts";
import type {
  Batch,
  Broker,
  Cancellation,
  Cancelled,
  Counts,
  Entry,
  OutcomeRecord,
  Reaped,
  Renewal,
  ReserveRequest,
  ResultsChanged,
  Settlement,
  Taken,
} from "../broker.ts";
import type { Ties } from "../../job/ties.ts";
import type { Dsn } from "../dsn.ts";
import type { OpenOptions } from "../open.ts";
import { LIMITS, type Limits } from "../limits.ts";
import { cancel, readCancelled } from "./cancelling.ts";
import { SqliteControl } from "./control.ts";
import { countJobs } from "./counts.ts";
import type { Database } from "./database.ts";
import { enqueue } from "./enqueue.ts";
import { reap, reapNothing } from "./reap.ts";
import { begin, reconcile, recover, release } from "./recover.ts";
import { reserve, reserveNothing } from "./reserve.ts";
import { take } from "./take.ts";
import { ResultWatch } from "./result_watch.ts";
import { readOutcomes, storeOutcomes } from "./results.ts";
import { readRule } from "./rules.ts";
import { SqliteSchedules } from "./schedules.ts";
import { openDatabase, schemaVersion, TABLES_VERSION } from "./schema.ts";
import { haveEnded } from "./successors.ts";
import { settle } from "./settle.ts";
import { SqliteInspector } from "./sqlite_inspector.ts";
import { fenced, Store } from "./store.ts";
import { Transactions } from "./transaction.ts";
import { unlock } from "./unique.ts";
import { SqliteUpdates } from "./updates.ts";
import { WakeUp } from "./wake_up.ts";
import { reportWorker } from "./worker_records.ts";

/** How long `wait` waits at most. */
const WAIT_MS = 5000;

/** What tests choose. A role makes no difference: only calls keep programs alive. */
export interface SqliteOptions extends OpenOptions {
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly clock?: () => number;
  readonly limits?: Partial<Limits>;
  /** How long a call waits while another process has the file. Default 5 s. */
  readonly lockedMs?: number;
}

/** A broker in one file, for the processes of one machine. */
export class SqliteBroker implements Broker {
  readonly schemaVersion: number = TABLES_VERSION;
  readonly isSpread: boolean = false;
  readonly control: SqliteControl;
  readonly updates: SqliteUpdates;
  readonly schedules: SqliteSchedules;
  readonly #store: Store;
  readonly #transactions: Transactions;
  readonly #wakeUp: WakeUp;
  readonly #watch: ResultWatch;
  readonly #closing = new AbortController();

  private constructor(db: Database, path: string, options: SqliteOptions) {
    const { clock = Date.now, limits, lockedMs } = options;
    this.#wakeUp = new WakeUp(path);
    this.#store = new Store(db, { ...LIMITS, ...limits }, clock);
    const committed = () => {
      if (this.#store.takeNews()) this.#wakeUp.give();
    };
    this.#transactions = new Transactions(db, path, committed, lockedMs);
    this.schedules = new SqliteSchedules(this.#store, this.#transactions);
    this.control = new SqliteControl(this.#store, this.#transactions);
    const parts = [this.#store, this.#transactions, this.#wakeUp] as const;
    this.#watch = new ResultWatch(...parts);
    this.updates = new SqliteUpdates(...parts);
  }

  /**
   * Opens the file that a DSN names; makes it if it is not there.
   *
   * @throws {BrokerError} If it can't be made or opened, or is not ours.
   * @throws {SchemaError} If a later version of this program made it.
   */
  static async open(
    dsn: Dsn & { readonly kind: "sqlite" },
    options: SqliteOptions = {},
  ): Promise<SqliteBroker> {
    const db = await openDatabase(dsn.path);
    try {
      return new SqliteBroker(db, dsn.path, options);
    } catch (error) {
      db[Symbol.dispose]();
      throw new BrokerError(
        `Cannot open ${dsn.path}: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  enqueue(entries: readonly Entry[]): Promise<string[]> {
    return enqueue(this.#store, this.#transactions, entries);
  }

  results(queue: string, ids: readonly string[]): Promise<(string | null)[]> {
    return this.#transactions.read(
      "read results",
      () => readOutcomes(this.#store, queue, ids),
    );
  }

  watchResults(
    queue: string,
    producer: string,
    changed: ResultsChanged,
  ): Promise<AsyncDisposable> {
    return this.#watch.watch(queue, producer, changed);
  }

  async register(queues: readonly string[]): Promise<void> {
    await this.#transactions.write("register queues", () => {
      for (const queue of queues) this.#store.queue(queue);
    });
  }

  queues(): Promise<string[]> {
    return this.#transactions.read(
      "read the names of queues",
      () =>
        this.#store.db.rows("SELECT name FROM queue ORDER BY name")
          .map(([name]) => name as string),
    );
  }

  async reserve(
    worker: string,
    queue: string,
    request: ReserveRequest,
  ): Promise<Batch> {
    // What this worker called before may change what it holds.
    if (this.#transactions.idle) {
      const nothing = await this.#transactions.read(
        "reserve",
        () => reserveNothing(this.#store, worker, queue, request),
      );
      if (nothing !== undefined) return nothing;
    }
    // Undone by a power failure, it leaves the jobs where they waited.
    return await this.#transactions.write(
      "reserve",
      () => reserve(this.#store, worker, queue, request),
      "NORMAL",
    );
  }

  begin(worker: string, queue: string, token: string): Promise<string> {
    return this.#transactions.write(
      "begin",
      () => begin(this.#store, worker, queue, token),
    );
  }

  settle(
    worker: string,
    queue: string,
    settlements: readonly Settlement[],
  ): Promise<number> {
    return this.#transactions.write(
      "settle",
      () => settle(this.#store, worker, queue, settlements),
    );
  }

  release(
    worker: string,
    queue: string,
    tokens: readonly string[],
  ): Promise<void> {
    return this.#transactions.write(
      "release",
      () => release(this.#store, worker, queue, tokens),
    );
  }

  renew(worker: string, queues: readonly string[]): Promise<Renewal[]> {
    return this.#transactions.write("renew", () => {
      const schema = schemaVersion(this.#store.db);
      return queues.map((name) => {
        const queue = this.#store.queue(name);
        const place = this.#store.place(queue, worker);
        if (place === undefined || place < 0) throw fenced(worker);
        const tick = this.#store.tick(queue);
        if (place !== tick) this.#store.setPlace(queue, worker, tick);
        const held = this.#store.held(queue, worker);
        return { held, schema, cancels: readRule(this.#store, queue).cancels };
      });
    }, "NORMAL");
  }

  reconcile(
    worker: string,
    queue: string,
    tokens: readonly string[],
  ): Promise<string[]> {
    return this.#transactions.write(
      "reconcile",
      () => reconcile(this.#store, worker, queue, tokens),
    );
  }

  recover(
    worker: string,
    queue: string,
    reason: "replaced" | "lapsed",
  ): Promise<number> {
    return this.#transactions.write(
      "recover",
      () => recover(this.#store, worker, queue, reason),
    );
  }

  async reap(queue: string): Promise<Reaped> {
    const nothing = await this.#transactions.read(
      "reap",
      () => reapNothing(this.#store, queue),
    );
    return nothing ??
      await this.#transactions.write(
        "reap",
        () => reap(this.#store, queue),
        "NORMAL",
      );
  }

  async wait(
    queues: readonly string[],
    signal: AbortSignal,
  ): Promise<string[]> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    if (ended.aborted) return [];
    const { promise, resolve, reject } = Promise.withResolvers<string[]>();
    const look = () => {
      this.#readyOf(queues).then(
        (names) => names.length > 0 && resolve(names),
        reject,
      );
    };
    const none = () => resolve([]);
    using _listening = this.#wakeUp.listen(look);
    const timer = setTimeout(none, WAIT_MS);
    ended.addEventListener("abort", none);
    try {
      look();
      return await promise;
    } finally {
      clearTimeout(timer);
      ended.removeEventListener("abort", none);
    }
  }

  /** Whoever waits has looked by itself: nothing was taken from it. */
  pass(_queue: string): Promise<void> {
    return Promise.resolve();
  }

  take(queue: string, limit: number, bytes: number): Promise<Taken> {
    return this.#transactions.write(
      "take",
      () => take(this.#store, queue, limit, bytes),
    );
  }

  record(queue: string, outcomes: readonly OutcomeRecord[]): Promise<void> {
    return this.#transactions.write(
      "record",
      () => {
        const id = this.#store.queue(queue);
        storeOutcomes(this.#store, id, outcomes);
        haveEnded(this.#store, id, outcomes.map((record) => record.id));
      },
    );
  }

  cancel(queue: string, jobs: readonly Cancellation[]): Promise<boolean[]> {
    return this.#transactions.write(
      "cancel jobs",
      () => cancel(this.#store, queue, jobs),
    );
  }

  cancelled(queue: string, after: number): Promise<Cancelled> {
    return this.#transactions.read(
      "read what is cancelled",
      () => readCancelled(this.#store, queue, after),
    );
  }

  async unlock(queue: string, { id, unique }: Ties): Promise<void> {
    if (unique === undefined) return;
    await this.#transactions.write(
      "let a unique key go",
      () => unlock(this.#store, this.#store.queue(queue), unique, id),
    );
  }

  counts(queues: readonly string[]): Promise<Counts[]> {
    return this.#transactions.read(
      "count jobs",
      () => queues.map((queue) => countJobs(this.#store, queue)),
    );
  }

  /** There is nothing to set up in a file. */
  warnings(): Promise<string[]> {
    return Promise.resolve([]);
  }

  async report(worker: string, health: Record<string, string>): Promise<void> {
    await this.#transactions.write(
      "report",
      () => reportWorker(this.#store, worker, health),
      "NORMAL",
    );
  }

  /** Looks into the same store through this connection, and lives as long. */
  inspector(): SqliteInspector {
    return new SqliteInspector(this.#store, this.#transactions, this.#wakeUp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#transactions[Symbol.asyncDispose]();
    this.#watch[Symbol.dispose]();
    this.#wakeUp[Symbol.dispose]();
    this.#store.db[Symbol.dispose]();
  }

  #readyOf(queues: readonly string[]): Promise<string[]> {
    return this.#transactions.read("wait", () => {
      const ready = new Set(
        this.#store.db.rows(
          `SELECT name FROM queue WHERE ready > 0
             UNION SELECT queue.name FROM grp JOIN queue ON queue.id = grp.queue
               WHERE grp.turn IS NOT NULL`,
        ).map(([name]) => name),
      );
      return queues.filter((queue) => ready.has(queue));
    });
  }
}
