import type { ResultsChanged } from "../broker.ts";
import type { Transactions } from "./transaction.ts";
import { changesSince } from "./results.ts";
import type { Store } from "./store.ts";
import type { WakeUp } from "./wake_up.ts";

/** Who waits for outcomes of one queue, and up to where was looked. */
interface Watched {
  change: number;
  readonly listeners: Map<string, Set<ResultsChanged>>;
}

/** Hears of stored outcomes, from this process and others. */
export class ResultWatch implements Disposable {
  readonly #store: Store;
  readonly #transactions: Transactions;
  readonly #wakeUp: WakeUp;
  readonly #queues = new Map<string, Watched>();
  #listening: Disposable | undefined;

  constructor(store: Store, transactions: Transactions, wakeUp: WakeUp) {
    this.#store = store;
    this.#transactions = transactions;
    this.#wakeUp = wakeUp;
  }

  /** See `JobStore.watchResults`. */
  async watch(
    queue: string,
    producer: string,
    changed: ResultsChanged,
  ): Promise<AsyncDisposable> {
    this.#listening ??= this.#wakeUp.listen(() => this.#look());
    let watched = this.#queues.get(queue);
    if (watched === undefined) {
      // What comes before this is for the caller to read.
      const { change } = await this.#transactions.read(
        "watch results",
        () => changesSince(this.#store, queue, Infinity, new Set()),
      );
      watched = this.#queues.get(queue) ?? { change, listeners: new Map() };
      this.#queues.set(queue, watched);
    }
    const { listeners } = watched;
    // Each watch is its own, even if the same function watches twice.
    const listener: ResultsChanged = (numbers) => changed(numbers);
    const mine = listeners.get(producer) ?? new Set();
    listeners.set(producer, mine.add(listener));
    return {
      [Symbol.asyncDispose]: () => {
        mine.delete(listener);
        if (mine.size === 0 && listeners.get(producer) === mine) {
          listeners.delete(producer);
        }
        if (listeners.size === 0 && this.#queues.get(queue) === watched) {
          this.#queues.delete(queue);
        }
        if (this.#queues.size === 0) this[Symbol.dispose]();
        return Promise.resolve();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#listening?.[Symbol.dispose]();
    this.#listening = undefined;
  }

  #look(): void {
    for (const [queue, watched] of this.#queues) {
      const { listeners } = watched;
      let changes;
      try {
        changes = changesSince(
          this.#store,
          queue,
          watched.change,
          new Set(listeners.keys()),
        );
      } catch {
        // The next look finds the same.
        continue;
      }
      if (changes.change === watched.change) continue;
      watched.change = changes.change;
      for (const [producer, mine] of listeners) {
        const numbers = changes.numbers?.get(producer);
        if (changes.numbers !== undefined && numbers === undefined) continue;
        for (const listener of mine) listener(numbers);
      }
    }
  }
}
