import type { Ending, Holdings } from "./holdings.ts";
import { BATCH_BYTES, BATCH_JOBS } from "./prefetch.ts";

/** Commands under way: with one, broker and job thread wait for each other. */
const COMMANDS_IN_FLIGHT = 3;

/**
 * Settles outcomes in batches: what ends while a command is under way is sent
 * together in the next one, so a broker that is slow gets larger batches. Only
 * a full batch is sent beside another.
 */
export class Settler {
  readonly #holdings: Holdings;
  readonly #onError: (error: unknown) => void;
  readonly #onSettled: () => void;
  readonly #commands = new Set<Promise<void>>();
  #gathered: Ending[] = [];

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

  /** Adds outcomes; they are sent as soon as a command may go. */
  add(endings: readonly Ending[]): void {
    for (const ending of endings) this.#gathered.push(ending);
    this.#send();
  }

  /** Resolves when all that was added is settled. */
  async flush(): Promise<void> {
    while (this.#commands.size > 0) await Promise.all(this.#commands);
  }

  #send(): void {
    while (this.#gathered.length > 0 && this.#maySend()) {
      const command = this.#settle(this.#next()).then(() => {
        this.#commands.delete(command);
        this.#send();
      });
      this.#commands.add(command);
    }
  }

  #maySend(): boolean {
    const { size } = this.#commands;
    return size === 0 ||
      size < COMMANDS_IN_FLIGHT && this.#gathered.length >= BATCH_JOBS;
  }

  async #settle(endings: readonly Ending[]): Promise<void> {
    try {
      await this.#holdings.settle(endings);
      this.#onSettled();
    } catch (error) {
      this.#onError(error);
    }
  }

  /** At most 500 jobs and 256 KiB of text, at least one job. */
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
