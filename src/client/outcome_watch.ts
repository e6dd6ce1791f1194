import type { JobStore, ResultsChanged } from "../broker/broker.ts";
import { ResultNotKeptError } from "../errors.ts";
import type { OutcomeReader } from "./outcome_reader.ts";

/** Even without an event, what is awaited is read so often. */
export const READ_AGAIN_MS = 4000;
/** A watch that nobody needs stays so long: the next waiter comes soon. */
const LINGER_MS = 1000;
const UNAVAILABLE = new Set(["BrokerUnavailableError", "NotSentError"]);

/** Somebody who waits for one outcome. */
export interface Waiter {
  readonly id: string;
  readonly resolve: (outcome: string) => void;
  readonly reject: (error: Error) => void;
  /** A read began at `readAtMs` and found nothing; an error ends the wait. */
  readonly missed: (readAtMs: number) => Error | undefined;
  /** Why the last read failed. */
  lastError?: unknown;
  /** An event said that the outcome is stored. */
  announced?: boolean;
}

/**
 * Waits for outcomes of the jobs of one producer in one queue, with one
 * subscription: first it is confirmed, then outcomes are read, then again
 * after each event, after a reconnect, and every few seconds.
 */
export class OutcomeWatch {
  readonly #open: (changed: ResultsChanged) => Promise<AsyncDisposable>;
  readonly #read: (id: string) => Promise<string | null>;
  readonly #now: () => number;
  readonly #unused: () => void;
  /** The number of a job to who waits for it. */
  readonly #waiters = new Map<number, Waiter[]>();
  #subscription: Promise<AsyncDisposable | undefined> | undefined;
  #again: ReturnType<typeof setInterval> | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;

  /** @param unused Called after nobody has waited for a while. */
  constructor(
    queue: string,
    producer: string,
    { store, reader, now, unused }: {
      readonly store: () => Promise<JobStore>;
      readonly reader: OutcomeReader;
      readonly now: () => number;
      readonly unused: () => void;
    },
  ) {
    this.#open = async (changed) =>
      await (await store()).watchResults(queue, producer, changed);
    this.#read = (id) => reader.read(queue, id);
    this.#now = now;
    this.#unused = unused;
  }

  /** Begins to wait; the waiter is told by its `resolve` or `reject`. */
  async add(waiter: Waiter): Promise<void> {
    const number = numberOf(waiter.id);
    const others = this.#waiters.get(number);
    if (others === undefined) this.#waiters.set(number, [waiter]);
    else others.push(waiter);
    clearTimeout(this.#linger);
    // It keeps the program alive, as a pending call should.
    this.#again ??= setInterval(() => this.#lookAtAll(), READ_AGAIN_MS);
    await this.#subscribe();
    await this.#look(waiter);
  }

  /** Stops waiting; without effect on one that does not wait any more. */
  remove(waiter: Waiter): void {
    const number = numberOf(waiter.id);
    const rest = this.#waiters.get(number)?.filter((other) => other !== waiter);
    if (rest === undefined) return;
    if (rest.length > 0) this.#waiters.set(number, rest);
    else this.#waiters.delete(number);
    if (this.#waiters.size > 0 || this.#again === undefined) return;
    clearInterval(this.#again);
    this.#again = undefined;
    this.#linger = setTimeout(this.#unused, LINGER_MS);
    Deno.unrefTimer(this.#linger);
  }

  /** Ends the subscription; who still waits is told `reason`. */
  async close(reason: Error): Promise<void> {
    for (const waiter of [...this.#waiters.values()].flat()) {
      waiter.reject(reason);
      this.remove(waiter);
    }
    clearTimeout(this.#linger);
    const subscription = await this.#subscription;
    await subscription?.[Symbol.asyncDispose]();
  }

  /** Without a subscription, reading every few seconds has to do. */
  #subscribe(): Promise<unknown> {
    return this.#subscription ??= this.#open((numbers, outcomes) =>
      this.#changed(numbers, outcomes)
    ).catch(() => {
      this.#subscription = undefined;
      return undefined;
    });
  }

  #changed(
    numbers?: readonly number[],
    outcomes?: readonly string[],
  ): void {
    if (numbers === undefined) {
      for (const waiters of this.#waiters.values()) {
        for (const waiter of waiters) this.#look(waiter);
      }
      return;
    }
    for (const [i, number] of numbers.entries()) {
      for (const waiter of this.#waiters.get(number) ?? []) {
        waiter.announced = true;
        if (outcomes === undefined) this.#look(waiter);
        else this.#found(waiter, outcomes[i]);
      }
    }
  }

  async #lookAtAll(): Promise<void> {
    await this.#subscribe();
    this.#changed();
  }

  #found(waiter: Waiter, outcome: string): void {
    waiter.resolve(outcome);
    this.remove(waiter);
  }

  async #look(waiter: Waiter): Promise<void> {
    const { announced } = waiter;
    const readAtMs = this.#now();
    let error: Error | undefined;
    try {
      const outcome = await this.#read(waiter.id);
      waiter.lastError = undefined;
      if (outcome !== null) return this.#found(waiter, outcome);
      error = announced ? evicted(waiter.id) : waiter.missed(readAtMs);
    } catch (failure) {
      waiter.lastError = failure;
      if (!isUnavailable(failure)) error = failure as Error;
    }
    if (error === undefined) return;
    waiter.reject(error);
    this.remove(waiter);
  }
}

/** Whether the broker may answer later. In a job an error is known by name. */
export function isUnavailable(error: unknown): boolean {
  return UNAVAILABLE.has((error as Error).name);
}

function evicted(id: string): Error {
  return new ResultNotKeptError(
    `The result of job ${id} is no longer kept: newer ones took its place`,
  );
}

function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf(".") + 1));
}
