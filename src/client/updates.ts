import type { JobStore } from "../broker/broker.ts";
import type { UpdatesPage } from "../broker/updates.ts";
import { ResultTimeoutError } from "../errors.ts";
import { decodeUpdate, type Update } from "../job/update.ts";
import { sleep } from "../time/sleep.ts";
import { isUnavailable, READ_AGAIN_MS } from "./outcome_watch.ts";
import { LONGEST_TIMER_MS, type Outcomes } from "./outcomes.ts";

/** Updates of one read. */
const PAGE = 100;

/**
 * What a job reported, or what its generator yielded, of type `T`.
 *
 * @example
 * ```ts
 * import { invoke, type JobUpdate } from "@mqk/core";
 * const show = ({ number, value }: JobUpdate) => console.log(number, value);
 * const job = await invoke("./jobs/photos.ts#resize", ["a.jpg", "b.jpg"]);
 * for await (const update of job.updates()) show(update);
 * ```
 */
export interface JobUpdate<T = unknown> {
  /** What was reported or yielded. */
  readonly value: T;
  /** The attempt, from 1: a job that is tried again reports again. */
  readonly attempt: number;
  /**
   * Its place among the updates of this run of the job, from 1. Where numbers
   * are missing, updates were dropped; where they begin again, the job did.
   */
  readonly number: number;
}

/** How to follow a job. */
export interface UpdatesOptions {
  /**
   * Seconds to wait for the next update, or the end, at least 0. Default 60;
   * `Infinity` waits without limit.
   */
  timeout?: number;
}

/** Which job is followed, and how. */
export interface Followed {
  readonly queue: string;
  readonly id: string;
  /** To wait for news, at most; `Infinity`: without limit. */
  readonly timeoutMs: number;
  /** See `Waiter.missed`. */
  readonly missed: (readAtMs: number) => Error | undefined;
  /** The job has ended like this; what it throws is the end of the updates. */
  readonly ended: (outcome: string) => void;
}

/**
 * What is stored of a job's updates, then what it reports, until it ends. It
 * is watched from the first `next` on, until the end or `return`.
 *
 * First the subscription is confirmed, then updates are read, then again after
 * each event, after a reconnect, and every few seconds.
 *
 * @throws {ResultTimeoutError} If nothing came in time.
 */
export function follow(
  followed: Followed,
  store: () => Promise<JobStore>,
  outcomes: Outcomes,
): AsyncIterator<JobUpdate> {
  const stopping = new AbortController();
  const updates = readAll(followed, store, outcomes, stopping.signal);
  return {
    next: () => updates.next(),
    return: async () => {
      // By itself it would wait until a `next` that is pending has ended.
      stopping.abort();
      return await updates.return(undefined);
    },
  };
}

async function* readAll(
  followed: Followed,
  store: () => Promise<JobStore>,
  outcomes: Outcomes,
  stopping: AbortSignal,
): AsyncGenerator<JobUpdate, undefined> {
  using job = new FollowedJob(followed, store, outcomes, stopping);
  const order = new UpdateOrder();
  let deadlineMs = performance.now() + followed.timeoutMs;
  for (;;) {
    // Known before the read: what a job reports is stored before its end is.
    const { end } = job;
    const leftMs = deadlineMs - performance.now();
    const page = await within(leftMs, stopping, job.readOn());
    for (const text of page?.updates ?? []) {
      const update = order.next(text);
      if (update === undefined) continue;
      const { value, attempt, number } = update;
      yield { value, attempt, number };
      deadlineMs = performance.now() + followed.timeoutMs;
    }
    if (stopping.aborted) return;
    if (page?.updates.length === PAGE) continue;
    if (end !== undefined && (page !== undefined || "error" in end)) {
      if ("error" in end) throw end.error;
      return void followed.ended(end.outcome);
    }
    if (performance.now() >= deadlineMs) throw timedOut(followed, job.failure);
    await job.news(deadlineMs - performance.now());
  }
}

/** How the wait for an outcome ended. */
type End = { readonly outcome: string } | { readonly error: unknown };

/** The subscription to one job, where its reader is, and how it ended. */
class FollowedJob implements Disposable {
  /** It has ended, or can't be waited for any more. */
  end: End | undefined;
  /** Why the last read failed. */
  failure: unknown;
  readonly #followed: Followed;
  readonly #store: () => Promise<JobStore>;
  readonly #closing = new AbortController();
  #watch: Promise<AsyncDisposable | undefined> | undefined;
  #position: string | undefined;
  #news = new AbortController();

  constructor(
    followed: Followed,
    store: () => Promise<JobStore>,
    outcomes: Outcomes,
    stopping: AbortSignal,
  ) {
    this.#followed = followed;
    this.#store = store;
    stopping.addEventListener("abort", () => this.#news.abort());
    const { queue, id, missed } = followed;
    const { signal } = this.#closing;
    outcomes.wait(queue, id, { timeoutMs: Infinity, missed, signal }).then(
      (outcome) => this.end = { outcome },
      (error) => this.end = { error },
    ).finally(() => this.#news.abort());
  }

  /** The next updates; nothing while the broker is away. */
  async readOn(): Promise<UpdatesPage | undefined> {
    const { queue, id } = this.#followed;
    if (this.#news.signal.aborted) this.#news = new AbortController();
    // Without a subscription, reading every few seconds has to do.
    this.#watch ??= this.#subscribe();
    await this.#watch;
    try {
      const { updates } = await this.#store();
      const page = await updates.read(queue, id, this.#position, PAGE);
      this.#position = page.position;
      this.failure = undefined;
      return page;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.failure = error;
    }
  }

  /** Resolves when something may have changed since {@linkcode readOn} began. */
  async news(withinMs: number): Promise<void> {
    await sleep(Math.min(withinMs, READ_AGAIN_MS), this.#news.signal);
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#watch?.then((watch) => watch?.[Symbol.asyncDispose]())
      .catch(() => {});
  }

  async #subscribe(): Promise<AsyncDisposable | undefined> {
    const { queue, id } = this.#followed;
    try {
      const { updates } = await this.#store();
      return await updates.watch(queue, id, () => this.#news.abort());
    } catch {
      this.#watch = undefined;
    }
  }
}

/** Leaves out what was stored twice because an answer was lost. */
class UpdateOrder {
  #run = "";
  #number = 0;

  next(text: string): Update | undefined {
    const update = decodeUpdate(text);
    if (update === undefined) return undefined;
    if (update.run === this.#run && update.number <= this.#number) {
      return undefined;
    }
    this.#run = update.run;
    this.#number = update.number;
    return update;
  }
}

/** What `step` gives; nothing if the time is up, or `signal` aborts, before. */
async function within<T>(
  milliseconds: number,
  signal: AbortSignal,
  step: Promise<T>,
): Promise<T | undefined> {
  const done = new AbortController();
  const late = sleep(
    Math.min(milliseconds, LONGEST_TIMER_MS),
    AbortSignal.any([signal, done.signal]),
  );
  try {
    return await Promise.race([step, late.then(() => undefined)]);
  } finally {
    done.abort();
  }
}

function timedOut({ id, timeoutMs }: Followed, failure: unknown): Error {
  const text = `Job ${id} has no update after ${timeoutMs / 1000} s`;
  return failure === undefined
    ? new ResultTimeoutError(`${text}; it may still wait or run`)
    : new ResultTimeoutError(
      `${text}, and the broker does not answer: ${(failure as Error).message}`,
      { cause: failure },
    );
}
