import {
  ArgumentError,
  JobCancelledError,
  JobFailedError,
  ResultNotKeptError,
  ResultNotSerializableError,
  TtlExceededError,
} from "../errors.ts";
import {
  decodeOutcome,
  encodeOutcome,
  type ErrorData,
  type Outcome,
} from "../job/outcome.ts";
import { type JobHandle, printHandle } from "./handle.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Followed, JobUpdate, UpdatesOptions } from "./updates.ts";

/** How long an outcome is kept at least, unless newer ones need its place. */
const KEPT_MS = 3_600_000;
const DEFAULT_TIMEOUT_SECONDS = 60;

/**
 * What is known of a job.
 *
 * - `pending`: it waits or runs;
 * - `done`: it returned;
 * - `failed`: it used up its attempts;
 * - `cancelled`: it was cancelled;
 * - `expired`: it has no outcome, and could run more than an hour ago. It
 *   ended and its outcome is no longer kept, or it still waits.
 */
export type JobStatus =
  | "pending"
  | "done"
  | "failed"
  | "cancelled"
  | "expired";

/** How to wait for a result. */
export interface ResultOptions {
  /**
   * Seconds after which to give up, at least 0. Default 60; `Infinity` waits
   * without limit.
   */
  timeout?: number;
}

/**
 * A job that was sent. `T` is what its function returns, `U` what it yields if
 * it is a generator.
 *
 * @example
 * ```ts
 * import { invoke, type Job } from "@mqk/core";
 * const job: Job = await invoke("mqk:calculator#sum", 1, 2);
 * console.log(job.id, await job.status()); // kV3xQ0b7Zt.0 pending
 * console.log(await job.result()); // 3
 * ```
 */
export interface Job<T = unknown, U = unknown> {
  /** `<producer>.<n>`, as logs and `mqk failed` name it. */
  readonly id: string;

  /**
   * An opaque text from which {@linkcode Client.job} makes the job again, in
   * another process or tomorrow.
   */
  readonly handle: string;

  /**
   * Waits until the job has ended, and answers with what it returned. A call
   * that is pending keeps the program alive.
   *
   * @throws {JobFailedError} If it used up its attempts. `cause` is its own
   * error: name, message, stack; a `TtlExceededError` if it overran.
   * @throws {JobCancelledError} If it was cancelled.
   * @throws {ResultTimeoutError} If there is no outcome within `timeout`. The
   * job goes on.
   * @throws {ResultNotKeptError} If it has ended, but what it returned is
   * above 1 MiB, older than an hour, pushed out by newer results, or was not
   * to be kept (`result: false`).
   * @throws {ResultNotSerializableError} If JSON can't hold what it returned.
   * @throws {BrokerError} If the broker can't be reached, or refuses.
   *
   * @example Wait 5 minutes for it
   * ```ts
   * import { invoke, JobFailedError } from "@mqk/core";
   * const job = await invoke("./jobs/report.ts#build", 2026);
   * try {
   *   console.log(await job.result({ timeout: 300 }));
   * } catch (error) {
   *   if (!(error instanceof JobFailedError)) throw error;
   *   console.error(error.attempts, error.cause);
   * }
   * ```
   */
  result(options?: ResultOptions): Promise<T>;

  /**
   * What the job reports with `currentJob().report(value)`, or yields: first
   * what is stored of it, the last 1,000, then what comes, until the job has
   * ended. The program stays alive while it is iterated; `break` ends that.
   *
   * @throws {ArgumentError} If `timeout` is no number from 0.
   * @throws {ResultNotKeptError} If nobody can know when it ends: it was sent
   * with `result: false`; while iterating, as {@linkcode Job.result}.
   * @throws {JobFailedError} While iterating, as {@linkcode Job.result}.
   * @throws {ResultTimeoutError} While iterating, if neither an update nor the
   * end came within `timeout`. The job goes on.
   * @throws {BrokerError} While iterating, if the broker refuses.
   *
   * @example
   * ```ts
   * import { invoke } from "@mqk/core";
   * const job = await invoke("./jobs/photos.ts#resize", ["a.jpg", "b.jpg"]);
   * for await (const { value } of job.updates()) console.log(value);
   * console.log(await job.result());
   * ```
   */
  updates(options?: UpdatesOptions): AsyncIterable<JobUpdate<U>>;

  /**
   * Looks once whether the job has ended. One with `result: false` leaves
   * nothing to see: it is `pending`, and after an hour `expired`.
   *
   * @throws {BrokerError} If the broker can't be reached, or refuses.
   */
  status(): Promise<JobStatus>;

  /**
   * Cancels it. If it waits, it never starts. If it runs, its worker hears of
   * it within about a second: its `signal` aborts, and if it goes on half a
   * second later it is stopped as at the end of its ttl. What it returns before
   * its worker has heard counts. Its unique key is free at once.
   *
   * @returns `false`: it had ended before. Of one with `result: false` nobody
   * knows that: `true`.
   * @throws {BrokerError} If the broker can't be reached, or refuses.
   *
   * @example
   * ```ts
   * import { invoke } from "@mqk/core";
   * const job = await invoke({ job: "./jobs/report.ts#build", delay: 60 });
   * await job.cancel(); // true
   * ```
   */
  cancel(): Promise<boolean>;
}

/** Begins to follow a job. */
export type Follow = (followed: Followed) => AsyncIterator<JobUpdate>;

/** A job whose outcome lies in a broker. */
export class StoredJob<T, U> implements Job<T, U> {
  readonly #handle: JobHandle;
  readonly #outcomes: Outcomes;
  readonly #follow: Follow;
  /** It had no outcome then, so none of before can have been forgotten. */
  #pendingAtMs: number;

  constructor(handle: JobHandle, outcomes: Outcomes, follow: Follow) {
    this.#handle = handle;
    this.#outcomes = outcomes;
    this.#follow = follow;
    this.#pendingAtMs = handle.dueMs;
  }

  get id(): string {
    return this.#handle.id;
  }

  get handle(): string {
    return printHandle(this.#handle);
  }

  async result(options: ResultOptions = {}): Promise<T> {
    const { id, queue } = this.#handle;
    const timeoutMs = checkTimeout(options.timeout) * 1000;
    this.#checkKept();
    const missed = (readAtMs: number) => this.#missed(readAtMs);
    const text = await this.#outcomes.wait(queue, id, { timeoutMs, missed });
    return value(id, decodeOutcome(text)) as T;
  }

  updates(options: UpdatesOptions = {}): AsyncIterable<JobUpdate<U>> {
    const { id, queue } = this.#handle;
    const timeoutMs = checkTimeout(options.timeout) * 1000;
    this.#checkKept();
    const followed: Followed = {
      queue,
      id,
      timeoutMs,
      missed: (readAtMs) => this.#missed(readAtMs),
      ended(text) {
        const outcome = decodeOutcome(text);
        if (outcome.kind === "failed") value(id, outcome);
      },
    };
    return {
      [Symbol.asyncIterator]: () =>
        this.#follow(followed) as AsyncIterator<JobUpdate<U>>,
    };
  }

  async status(): Promise<JobStatus> {
    const { id, queue } = this.#handle;
    const readAtMs = this.#outcomes.now();
    const text = await this.#outcomes.read(queue, id);
    if (text === null) return this.#missed(readAtMs) ? "expired" : "pending";
    const { kind } = decodeOutcome(text);
    return kind === "failed" || kind === "cancelled" ? kind : "done";
  }

  async cancel(): Promise<boolean> {
    const { id, queue, dueMs, kept } = this.#handle;
    return await this.#outcomes.cancel(queue, {
      id,
      dueMs,
      ...(kept && { outcome: encodeOutcome({ kind: "cancelled" }) }),
    });
  }

  #checkKept(): void {
    if (this.#handle.kept) return;
    throw new ResultNotKeptError(
      `The result of job ${this.id} is not kept: it was sent with ` +
        "result: false",
    );
  }

  /** After a read that found nothing. */
  #missed(readAtMs: number): Error | undefined {
    if (readAtMs - this.#pendingAtMs > KEPT_MS) {
      return new ResultNotKeptError(
        `Job ${this.id} has no outcome, and results are kept for an hour: ` +
          "it expired, or the job still waits",
      );
    }
    if (readAtMs > this.#pendingAtMs) this.#pendingAtMs = readAtMs;
  }
}

function checkTimeout(timeout: number = DEFAULT_TIMEOUT_SECONDS): number {
  if (typeof timeout === "number" && timeout >= 0) return timeout;
  throw new ArgumentError(
    `Cannot wait with timeout ${JSON.stringify(timeout)}: ` +
      "it must be a number of seconds from 0, or Infinity",
  );
}

function value(id: string, outcome: Outcome): unknown {
  switch (outcome.kind) {
    case "done":
      return outcome.json === "" ? undefined : JSON.parse(outcome.json);
    case "failed": {
      const { attempts, error } = outcome;
      throw new JobFailedError(id, { attempts, cause: revive(error) });
    }
    case "cancelled":
      throw new JobCancelledError(`Job ${id} was cancelled`);
    case "too_large":
      throw new ResultNotKeptError(notKept(id, outcome.message));
    case "not_serializable":
      throw new ResultNotSerializableError(notKept(id, outcome.message));
  }
}

function notKept(id: string, reason: string): string {
  return `Job ${id} is done, but its result is not kept: ${reason}`;
}

/** The job's own error, as far as it was stored. */
function revive({ name, message, stack }: ErrorData): Error {
  const error = name === "TtlExceededError"
    ? new TtlExceededError(message)
    : new Error(message);
  // As in any error, neither is enumerable.
  Object.defineProperty(error, "name", hidden(name));
  Object.defineProperty(error, "stack", hidden(stack));
  return error;
}

function hidden(value: unknown): PropertyDescriptor {
  return { value, writable: true, configurable: true };
}
