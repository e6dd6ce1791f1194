import { type JobStore, MAX_BATCH_JOBS } from "../broker/broker.ts";

/** One read that waits to be sent. */
interface Read {
  readonly id: string;
  readonly resolve: (outcome: string | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads outcomes: all of one turn of the event loop with one command. */
export class OutcomeReader {
  readonly #store: () => Promise<JobStore>;
  /** Queue to its reads of this turn. */
  readonly #reads = new Map<string, Read[]>();

  constructor(store: () => Promise<JobStore>) {
    this.#store = store;
  }

  /** The stored outcome of a job, `null` if there is none. */
  read(queue: string, id: string): Promise<string | null> {
    return new Promise((resolve, reject) => {
      if (this.#reads.size === 0) queueMicrotask(() => this.#flush());
      const reads = this.#reads.get(queue);
      if (reads === undefined) {
        this.#reads.set(queue, [{ id, resolve, reject }]);
      } else reads.push({ id, resolve, reject });
    });
  }

  #flush(): void {
    for (const [queue, reads] of this.#reads) {
      for (let i = 0; i < reads.length; i += MAX_BATCH_JOBS) {
        this.#send(queue, reads.slice(i, i + MAX_BATCH_JOBS));
      }
    }
    this.#reads.clear();
  }

  async #send(queue: string, reads: readonly Read[]): Promise<void> {
    try {
      const store = await this.#store();
      const outcomes = await store.results(queue, reads.map(({ id }) => id));
      reads.forEach(({ resolve }, index) => resolve(outcomes[index]));
    } catch (error) {
      for (const { reject } of reads) reject(error);
    }
  }
}
