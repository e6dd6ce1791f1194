import type { Ending, Holdings } from "./holdings.ts";
import { BATCH_BYTES, BATCH_JOBS } from "./prefetch.ts";

/**
 * Settles outcomes in batches: what ends while one command is under way is
 * sent together in the next. A broker that is slow so gets larger batches, and
 * the commands of a queue stay in order.
 */
export class Settler {
  readonly #holdings: Holdings;
  readonly #onError: (error: unknown) => void;
  readonly #onSettled: () => void;
  #gathered: Ending[] = [];
  #running: Promise<void> | undefined;

  /**
   * @param onError Is told why a settle was given up: fenced, or at the end.
   * @param onSettled Is told that some jobs are held no more.
   */
  constructor(
    holdings: Holdings,
    onError: (error: unknown) => void,
    onSettled: () => void = () => {},
  ) {
    this.#holdings = holdings;
    this.#onError = onError;
    this.#onSettled = onSettled;
  }

  /** Adds outcomes; they are sent as soon as the last command was answered. */
  add(endings: readonly Ending[]): void {
    if (endings.length === 0) return;
    for (const ending of endings) this.#gathered.push(ending);
    this.#running ??= this.#run();
  }

  /** Resolves when all that was added is settled. */
  async flush(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#gathered.length > 0) {
        await this.#holdings.settle(this.#next());
        this.#onSettled();
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#running = undefined;
    }
  }

  /** At most 500 jobs and 128 KiB of text, at least one job. */
  #next(): Ending[] {
    let count = 0;
    let bytes = 0;
    for (const { settlement } of this.#gathered) {
      bytes += settlement.kind === "retry"
        ? settlement.message.length
        : (settlement.outcome?.length ?? 0) +
          (settlement.kind === "failed" ? settlement.entry.length : 0);
      if (count > 0 && (count === BATCH_JOBS || bytes > BATCH_BYTES)) {
        break;
      }
      count++;
    }
    return this.#gathered.splice(0, count);
  }
}
