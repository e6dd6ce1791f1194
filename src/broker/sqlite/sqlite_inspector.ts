import type { Cancellation } from "../broker.ts";
import { cancel, forgetCancelled, readCancelled } from "./cancelling.ts";
import { readRule } from "./rules.ts";
import { sendTied } from "./tied.ts";
import { uniqueJob } from "./unique.ts";
import { dropBlocked } from "./successors.ts";
import type { Ties } from "../../job/ties.ts";
import type { Dsn } from "../dsn.ts";
import {
  type Inspector,
  type JobRecord,
  type JobState,
  LOOK_JOBS,
  NEARBY_JOBS,
  type QueueLook,
  saysWhenSent,
  type WorkerRecord,
} from "../inspector.ts";
import { LIMITS } from "../limits.ts";
import { countJobs } from "./counts.ts";
import {
  hastenJob,
  type JobPage,
  letGo,
  type Place,
  readBlocked,
  readJobs,
  removeJob,
  sourcesOf,
  START,
} from "./job_records.ts";
import { forgetOutcome, readOutcomes } from "./results.ts";
import { openDatabase } from "./schema.ts";
import { Store } from "./store.ts";
import { Transactions } from "./transaction.ts";
import { WakeUp } from "./wake_up.ts";
import { readWorkers } from "./worker_records.ts";

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
    clock: () => number = Date.now,
  ): Promise<SqliteInspector> {
    const db = await openDatabase(path);
    const store = new Store(db, LIMITS, clock);
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

  look(queues: readonly string[]): Promise<QueueLook[]> {
    return this.#transactions.read(
      "look at queues",
      () => queues.map((queue) => this.#look(queue)),
    );
  }

  workers(): Promise<WorkerRecord[]> {
    return this.#transactions.read(
      "list workers",
      () => readWorkers(this.#store),
    );
  }

  async *jobs(queue: string, state: JobState): AsyncIterable<JobRecord> {
    if (state === "blocked") return yield* this.#blocked(queue);
    for (const source of sourcesOf(state)) {
      let left = LOOK_JOBS;
      let place: Place | undefined = START;
      while (place !== undefined && left > 0) {
        const from: Place = place;
        const page: JobPage = await this.#transactions.read(
          "read jobs",
          () => readJobs(this.#store, queue, state, source, from),
        );
        yield* page.records;
        left -= page.records.length;
        place = page.next;
      }
    }
  }

  async outcome(queue: string, id: string): Promise<string | null> {
    const [outcome] = await this.#transactions.read(
      "read a result",
      () => readOutcomes(this.#store, queue, [id]),
    );
    return outcome;
  }

  replay(
    record: JobRecord,
    message: string,
    id?: string,
    ties?: Ties,
  ): Promise<"replayed" | "gone" | "taken"> {
    return this.#transactions.write("replay a failed job", () => {
      const queue = this.#store.queue(record.queue);
      if (ties?.unique !== undefined) {
        const holder = uniqueJob(this.#store, queue, ties.unique);
        if (holder !== undefined && holder !== ties.id) return "taken";
      }
      if (!removeJob(this.#store, record)) return "gone";
      if (id !== undefined) {
        forgetOutcome(this.#store, queue, id);
        forgetCancelled(this.#store, queue, id);
      }
      if (ties === undefined) this.#store.push(queue, [message]);
      else sendTied(this.#store, queue, message, ties);
      return "replayed";
    });
  }

  hasten(record: JobRecord): Promise<boolean> {
    return this.#transactions.write(
      "make a job due",
      () => hastenJob(this.#store, record),
    );
  }

  cancel(queue: string, jobs: readonly Cancellation[]): Promise<boolean[]> {
    return this.#transactions.write(
      "cancel jobs",
      () => cancel(this.#store, queue, jobs),
    );
  }

  async cancelled(queue: string): Promise<readonly string[]> {
    const { ids } = await this.#transactions.read(
      "read what is cancelled",
      () => readCancelled(this.#store, queue, 0),
    );
    return ids;
  }

  remove(record: JobRecord, ties?: Ties): Promise<boolean> {
    return this.#transactions.write("remove a job", () => {
      if (record.state === "blocked") {
        const queue = this.#store.queue(record.queue);
        return dropBlocked(this.#store, queue, record.key);
      }
      if (!removeJob(this.#store, record)) return false;
      if (ties !== undefined) letGo(this.#store, record.queue, ties);
      return true;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transactions[Symbol.asyncDispose]();
    this.#wakeUp[Symbol.dispose]();
    this.#store.db[Symbol.dispose]();
  }

  async *#blocked(queue: string): AsyncGenerator<JobRecord> {
    for (let after = "", left = LOOK_JOBS; left > 0;) {
      const page = await this.#transactions.read(
        "read jobs",
        () => readBlocked(this.#store, queue, after),
      );
      yield* page;
      if (page.length === 0) return;
      left -= page.length;
      after = page[page.length - 1].key;
    }
  }

  #look(name: string): QueueLook {
    const { db } = this.#store;
    const counts = countJobs(this.#store, name);
    const queue = this.#store.find(name);
    if (queue === undefined) {
      return { queue: name, counts, done: 0, failed: 0, paused: false };
    }
    const { paused } = readRule(this.#store, queue);
    const [done, failed] = (db.row(
      "SELECT done, failed FROM total WHERE queue = ?",
      queue,
    ) ?? [0, 0]) as number[];
    let next: JobRecord | undefined;
    for (const source of sourcesOf("ready")) {
      if (next !== undefined) break;
      const { records } = readJobs(
        this.#store,
        name,
        "ready",
        source,
        START,
        NEARBY_JOBS,
      );
      next = records.find(({ text }) => saysWhenSent(text)) ?? records[0];
    }
    return { queue: name, counts, done, failed, paused, next: next?.text };
  }
}
