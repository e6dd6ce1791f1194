import type { QueueControl, QueueLimits, QueueState } from "../control.ts";
import { Groups } from "./groups.ts";
import { NO_RULE, readRule } from "./rules.ts";
import type { Store } from "./store.ts";
import type { Transactions } from "./transaction.ts";

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
    return this.#set(queue, "limits", json === "{}" ? null : json, (id) => {
      new Groups(this.#store, id, limits).regroup();
    });
  }

  state(queue: string): Promise<QueueState> {
    return this.#transactions.read("read how a queue is served", () => {
      const id = this.#store.find(queue);
      const { paused, limits } = id === undefined
        ? NO_RULE
        : readRule(this.#store, id);
      return { paused, limits };
    });
  }

  async #set(
    queue: string,
    column: "paused" | "limits",
    value: number | string | null,
    then: (queue: number) => void = () => {},
  ): Promise<void> {
    await this.#transactions.write("set how a queue is served", () => {
      const id = this.#store.queue(queue);
      this.#store.db.run(
        `INSERT INTO rule (queue, ${column}) VALUES (?, ?)
           ON CONFLICT DO UPDATE SET ${column} = excluded.${column}`,
        id,
        value,
      );
      then(id);
      this.#store.announce();
    });
  }
}
