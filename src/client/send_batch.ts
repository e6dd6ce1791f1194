import {
  type Entry,
  MAX_BATCH_BYTES,
  MAX_BATCH_JOBS,
} from "../broker/broker.ts";
import { BrokerError, EnqueueUncertainError } from "../errors.ts";

/** Batches that the broker has not answered yet; further calls wait. */
const MAX_IN_FLIGHT = 8;
/** After so long without its turn, a call fails with the batch before it. */
const MAX_WAIT_MS = 5000;

/** Stores entries as `JobStore.enqueue` does. */
export type Enqueue = (entries: readonly Entry[]) => Promise<string[]>;

/** One call, and what became of its entries so far. */
interface Call {
  readonly entries: readonly Entry[];
  /** Missing where an entry is not stored for certain. */
  readonly ids: string[];
  readonly calledAtMs: number;
  readonly ended: PromiseWithResolvers<void>;
  /** Entries from here on are in no batch yet. */
  next: number;
  batchesInFlight: number;
  failure: Error | undefined;
  readonly uncertain: string[];
}

/** Consecutive entries of one call in one batch. */
interface Slice {
  readonly call: Call;
  readonly from: number;
  readonly to: number;
}

/**
 * Joins the calls of one turn of the event loop into one batch of at most
 * 1,000 jobs and 1 MiB, and keeps a few batches under way. Order is kept.
 */
export class BatchSender {
  readonly #enqueue: Enqueue;
  readonly #maxWaitMs: number;
  /** Calls with entries in no batch, from index `#first` on. */
  #waiting: Call[] = [];
  #first = 0;
  #inFlight = 0;
  #flushing = false;
  #whenIdle: PromiseWithResolvers<void> | undefined;

  constructor(
    enqueue: Enqueue,
    { maxWaitMs = MAX_WAIT_MS }: { readonly maxWaitMs?: number } = {},
  ) {
    this.#enqueue = enqueue;
    this.#maxWaitMs = maxWaitMs;
  }

  /**
   * Stores the entries of one call, and answers with their ids.
   *
   * @throws {BrokerError} If none of them is stored, for certain.
   * @throws {EnqueueUncertainError} If some are stored, or may be.
   */
  async send(entries: readonly Entry[]): Promise<string[]> {
    const call: Call = {
      entries,
      ids: [],
      calledAtMs: performance.now(),
      ended: Promise.withResolvers(),
      next: 0,
      batchesInFlight: 0,
      failure: undefined,
      uncertain: [],
    };
    this.#waiting.push(call);
    this.#flushSoon();
    await call.ended.promise;
    // Made here, the error has the stack of its caller.
    if (call.failure !== undefined) throw failureOf(call, call.failure);
    return call.ids;
  }

  /** Resolves when all calls so far are answered. */
  async idle(): Promise<void> {
    while (this.#inFlight > 0 || this.#first < this.#waiting.length) {
      this.#whenIdle ??= Promise.withResolvers();
      await this.#whenIdle.promise;
    }
  }

  #flushSoon(): void {
    if (this.#flushing || this.#inFlight === MAX_IN_FLIGHT) return;
    this.#flushing = true;
    // After all who were woken in this turn have called as well.
    queueMicrotask(() => queueMicrotask(() => this.#flush()));
  }

  #flush(): void {
    this.#flushing = false;
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const slices = this.#nextBatch();
      if (slices.length === 0) break;
      this.#inFlight++;
      this.#sendBatch(slices);
    }
    if (this.#inFlight === 0) {
      this.#whenIdle?.resolve();
      this.#whenIdle = undefined;
    }
  }

  #nextBatch(): Slice[] {
    const slices: Slice[] = [];
    let jobs = 0;
    let bytes = 0;
    for (; this.#first < this.#waiting.length; this.#first++) {
      const call = this.#waiting[this.#first];
      if (call.failure !== undefined) continue;
      const { entries, next: from } = call;
      while (call.next < entries.length) {
        const length = entries[call.next].message.length;
        if (
          jobs > 0 &&
          (jobs === MAX_BATCH_JOBS || bytes + length > MAX_BATCH_BYTES)
        ) break;
        jobs++;
        bytes += length;
        call.next++;
      }
      if (call.next > from) {
        slices.push({ call, from, to: call.next });
        call.batchesInFlight++;
      }
      if (call.next < entries.length) break;
    }
    this.#forgetSent();
    return slices;
  }

  /** Seldom, so that a long list is not moved for each batch. */
  #forgetSent(): void {
    if (this.#first * 2 < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#first);
    this.#first = 0;
  }

  async #sendBatch(slices: readonly Slice[]): Promise<void> {
    const entries = slices.length === 1
      ? slices[0].call.entries.slice(slices[0].from, slices[0].to)
      : slices.flatMap(({ call, from, to }) => call.entries.slice(from, to));
    try {
      const ids = await this.#enqueue(entries);
      let place = 0;
      for (const { call, from, to } of slices) {
        for (let i = from; i < to; i++) call.ids[i] = ids[place++];
      }
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      this.#fail(slices, reason);
    }
    for (const { call } of slices) {
      call.batchesInFlight--;
      finish(call);
    }
    this.#inFlight--;
    this.#flushSoon();
  }

  #fail(slices: readonly Slice[], failure: Error): void {
    const { confirmed, uncertain } = fates(failure);
    for (const { call, from, to } of slices) {
      for (let i = from; i < to; i++) {
        const { id, idempotencyKey } = call.entries[i];
        if (confirmed.has(id)) {
          call.ids[i] = id;
          continue;
        }
        call.failure ??= failure;
        // One with a key may be confirmed under the id of an earlier job.
        const mayBe = idempotencyKey !== undefined && confirmed.size > 0;
        if (mayBe || uncertain.has(id)) call.uncertain.push(id);
      }
    }
    const longAgoMs = performance.now() - this.#maxWaitMs;
    for (let i = this.#first; i < this.#waiting.length; i++) {
      const call = this.#waiting[i];
      if (call.calledAtMs > longAgoMs) break;
      call.failure ??= failure;
      finish(call);
    }
  }
}

/** Ids of a failed batch. Job code meets errors of another copy of a class. */
function fates(failure: Error): {
  confirmed: ReadonlySet<string>;
  uncertain: ReadonlySet<string>;
} {
  const { confirmed, uncertain } = failure.name === "EnqueueUncertainError"
    ? failure as EnqueueUncertainError
    : { confirmed: [], uncertain: [] };
  return { confirmed: new Set(confirmed), uncertain: new Set(uncertain) };
}

function finish(call: Call): void {
  if (call.batchesInFlight > 0) return;
  const { entries, failure, next } = call;
  if (failure !== undefined || next === entries.length) call.ended.resolve();
}

function failureOf(
  { entries, ids, uncertain, next }: Call,
  failure: Error,
): Error {
  const stored = ids.filter((id) => id !== undefined);
  const reason = failure.cause instanceof Error
    ? failure.cause.message
    : failure.message;
  const cause = { cause: failure.cause ?? failure };
  if (stored.length + uncertain.length > 0) {
    return new EnqueueUncertainError(
      entries.length === 1
        ? `Cannot say whether job ${uncertain[0]} is stored: ${reason}`
        : `Of ${entries.length} jobs ${stored.length} are stored, and ` +
          `${uncertain.length} are or are not: ${reason}`,
      { confirmed: stored, uncertain },
      cause,
    );
  }
  if (next === 0) {
    return new BrokerError(
      `The job was not sent: it waited too long for its turn: ${reason}`,
      cause,
    );
  }
  return new BrokerError(failure.message, cause);
}
