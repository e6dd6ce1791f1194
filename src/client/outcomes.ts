import type { Cancellation, JobStore } from "../broker/broker.ts";
import {
  BrokerError,
  ResultNotKeptError,
  ResultTimeoutError,
} from "../errors.ts";
import { OutcomeReader } from "./outcome_reader.ts";
import { OutcomeWatch, type Waiter } from "./outcome_watch.ts";

/** No timer can be longer: 24 days. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** How a wait for one outcome goes. */
export interface WaitOptions {
  /** `Infinity`: without limit. */
  readonly timeoutMs: number;
  /** See {@linkcode Waiter.missed}. */
  readonly missed: (readAtMs: number) => Error | undefined;
  /** Ends the wait: it rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** The outcomes of jobs, for all jobs of one client. */
export class Outcomes {
  /** The time, in milliseconds since 1970. */
  readonly now: () => number;
  readonly #store: () => Promise<JobStore>;
  readonly #reader: OutcomeReader;
  /** By queue and producer. */
  readonly #watches = new Map<string, OutcomeWatch>();
  #closed: Error | undefined;

  constructor(store: () => Promise<JobStore>, now: () => number) {
    this.#store = store;
    this.now = now;
    this.#reader = new OutcomeReader(store);
  }

  /** The stored outcome, `null` if there is none. */
  read(queue: string, id: string): Promise<string | null> {
    return this.#reader.read(queue, id);
  }

  /** Cancels a job; `false`: it has ended before. */
  async cancel(queue: string, job: Cancellation): Promise<boolean> {
    const [cancelled] = await (await this.#store()).cancel(queue, [job]);
    return cancelled;
  }

  /**
   * Waits for the outcome of a job.
   *
   * @throws {ResultTimeoutError} If none came in time.
   */
  async wait(
    queue: string,
    id: string,
    options: WaitOptions,
  ): Promise<string> {
    if (this.#closed !== undefined) throw this.#closed;
    const { timeoutMs, missed, signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiter: Waiter = { id, missed, resolve, reject };
    const watch = this.#watch(queue, id.slice(0, id.lastIndexOf(".")));
    const timer = timeoutMs > LONGEST_TIMER_MS ? undefined : setTimeout(() => {
      watch.remove(waiter);
      reject(timedOut(waiter, timeoutMs));
    }, timeoutMs);
    const aborted = () => {
      watch.remove(waiter);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", aborted);
    watch.add(waiter);
    try {
      return await promise;
    } catch (error) {
      if (isOurs(error)) Error.captureStackTrace(error);
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** Ends every subscription; who still waits is told that it was closed. */
  async close(): Promise<void> {
    this.#closed = new BrokerError(
      "Cannot wait for a result: the client was closed",
    );
    const closing = [...this.#watches.values()].map((watch) =>
      watch.close(this.#closed!)
    );
    this.#watches.clear();
    await Promise.all(closing);
  }

  #watch(queue: string, producer: string): OutcomeWatch {
    const key = `${queue}/${producer}`;
    let watch = this.#watches.get(key);
    if (watch === undefined) {
      const unused = async () => {
        this.#watches.delete(key);
        await watch!.close(new Error("Nobody waits")).catch(() => {});
      };
      watch = new OutcomeWatch(queue, producer, {
        store: this.#store,
        reader: this.#reader,
        now: this.now,
        unused,
      });
      this.#watches.set(key, watch);
    }
    return watch;
  }
}

/** Made by a timer or an event, so that the stack says nothing. */
function isOurs(error: unknown): error is Error {
  return error instanceof ResultTimeoutError ||
    error instanceof ResultNotKeptError;
}

function timedOut({ id, lastError }: Waiter, timeoutMs: number): Error {
  const text = `Job ${id} has no outcome after ${timeoutMs / 1000} s`;
  return lastError === undefined
    ? new ResultTimeoutError(`${text}; it may still wait or run`)
    : new ResultTimeoutError(
      `${text}, and the broker does not answer: ${
        (lastError as Error).message
      }`,
      { cause: lastError },
    );
}
