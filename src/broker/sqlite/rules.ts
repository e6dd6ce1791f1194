import type { QueueControl, QueueLimits, QueueState } from "../control.ts";
import type { Store } from "./store.ts";
import type { Transactions } from "./transaction.ts";

/** How a queue is served. */
export interface Rule {
  readonly paused: boolean;
  readonly limits: QueueLimits;
  /** Whether there are limits. */
  readonly limited: boolean;
  /** How many jobs were ever cancelled. */
  readonly cancels: number;
  /** Jobs that wait in groups. */
  readonly grouped: number;
}

const NONE: Rule = {
  paused: false,
  limits: {},
  limited: false,
  cancels: 0,
  grouped: 0,
};

/** The rule of a queue. */
export function readRule({ db }: Store, queue: number): Rule {
  const row = db.row(
    "SELECT paused, limits, cancels, grouped FROM rule WHERE queue = ?",
    queue,
  ) as [number, string | null, number, number] | undefined;
  if (row === undefined) return NONE;
  const [paused, limits, cancels, grouped] = row;
  return {
    paused: paused === 1,
    limits: limits === null ? {} : JSON.parse(limits),
    limited: limits !== null,
    cancels,
    grouped,
  };
}

/** Adds to the counters of a rule; answers with `cancels` and `turns`. */
export function countRule(
  { db }: Store,
  queue: number,
  { cancels = 0, turns = 0, grouped = 0 }: {
    readonly cancels?: number;
    readonly turns?: number;
    readonly grouped?: number;
  },
): [cancels: number, turns: number] {
  return db.row(
    `INSERT INTO rule (queue, cancels, turns, grouped) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET cancels = cancels + excluded.cancels,
         turns = turns + excluded.turns, grouped = grouped + excluded.grouped
       RETURNING cancels, turns`,
    queue,
    cancels,
    turns,
    grouped,
  ) as [number, number];
}

/** Pauses queues of a file, and sets their limits. */
export class SqliteControl implements QueueControl {
  readonly #store: Store;
  readonly #transactions: Transactions;

  constructor(store: Store, transactions: Transactions) {
    this.#store = store;
    this.#transactions = transactions;
  }

  pause(queue: string): Promise<void> {
    return this.#set(queue, "paused", 1);
  }

  resume(queue: string): Promise<void> {
    return this.#set(queue, "paused", 0);
  }

  setLimits(queue: string, limits: QueueLimits): Promise<void> {
    const json = JSON.stringify(limits);
    return this.#set(queue, "limits", json === "{}" ? null : json);
  }

  state(queue: string): Promise<QueueState> {
    return this.#transactions.read("read how a queue is served", () => {
      const id = this.#store.find(queue);
      const { paused, limits } = id === undefined
        ? NONE
        : readRule(this.#store, id);
      return { paused, limits };
    });
  }

  async #set(
    queue: string,
    column: "paused" | "limits",
    value: number | string | null,
  ): Promise<void> {
    await this.#transactions.write("set how a queue is served", () => {
      this.#store.db.run(
        `INSERT INTO rule (queue, ${column}) VALUES (?, ?)
           ON CONFLICT DO UPDATE SET ${column} = excluded.${column}`,
        this.#store.queue(queue),
        value,
      );
      this.#store.announce();
    });
  }
}
