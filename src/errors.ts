/**
 * Every error that a caller may catch.
 *
 * @module
 */

/** Options of {@linkcode JobFailedError}. */
export interface JobFailure {
  /** Attempts that were charged, 1 or more. */
  attempts: number;
  /** What the last attempt threw. */
  cause: Error;
}

/**
 * The call was wrong and nothing was sent: an argument that JSON would lose or
 * change, an option out of range, a reference or name that can't be read.
 *
 * @example
 * ```ts
 * import { ArgumentError, invoke } from "@mqk/core";
 * try {
 *   await invoke("mqk:calculator#sum", new Date(), 1);
 * } catch (error) {
 *   if (!(error instanceof ArgumentError)) throw error;
 *   console.log(error.message); // Cannot send args[0]: a Date becomes ...
 * }
 * ```
 */
export class ArgumentError extends Error {
  /** Name of the class. */
  override name = "ArgumentError";
}

/**
 * The broker refused for certain: it is full, does not allow it, or can't be
 * reached at all. Nothing was stored.
 */
export class BrokerError extends Error {
  /** Name of the class. */
  override name = "BrokerError";
}

/**
 * The broker gave no answer in time, so the jobs may be stored or not. MQK
 * never sends them a second time by itself; an `idempotencyKey` makes it safe
 * for the caller to do so.
 */
export class EnqueueUncertainError extends Error {
  /** Name of the class. */
  override name = "EnqueueUncertainError";
  /** Ids of the jobs in the same call that are stored. */
  readonly confirmed: readonly string[];
  /** Ids of the jobs that may be stored or not. */
  readonly uncertain: readonly string[];

  /** Names the jobs that are stored, and those that may be. */
  constructor(
    message: string,
    ids: { confirmed: readonly string[]; uncertain: readonly string[] },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.confirmed = ids.confirmed;
    this.uncertain = ids.uncertain;
  }
}

/** The job used up its attempts; `cause` is what the last one threw. */
export class JobFailedError extends Error {
  /** Name of the class. */
  override name = "JobFailedError";
  /** Id of the job. */
  readonly jobId: string;
  /** Attempts that were charged. */
  readonly attempts: number;

  /** Wraps what the job threw in the last of its attempts. */
  constructor(jobId: string, failure: JobFailure) {
    const times = failure.attempts === 1
      ? "1 attempt"
      : `${failure.attempts} attempts`;
    super(
      `Job ${jobId} failed after ${times}: ${failure.cause.message}`,
      { cause: failure.cause },
    );
    this.jobId = jobId;
    this.attempts = failure.attempts;
  }
}

/** One attempt took longer than the job's ttl; the `cause` of a failed job. */
export class TtlExceededError extends Error {
  /** Name of the class. */
  override name = "TtlExceededError";
}

/** No outcome came within `timeout`; the job itself goes on. */
export class ResultTimeoutError extends Error {
  /** Name of the class. */
  override name = "ResultTimeoutError";
}

/** The job ended, but its result is not kept, or not any more. */
export class ResultNotKeptError extends Error {
  /** Name of the class. */
  override name = "ResultNotKeptError";
}

/** The job is done, but JSON can't hold what it returned; it is not retried. */
export class ResultNotSerializableError extends Error {
  /** Name of the class. */
  override name = "ResultNotSerializableError";
}

/**
 * Thrown by a job to end at once, whatever attempts are left.
 *
 * @example
 * ```ts
 * import { NoRetry } from "@mqk/core";
 * export function send(address: string) {
 *   if (!address.includes("@")) throw new NoRetry(`No address: ${address}`);
 * }
 * ```
 */
export class NoRetry extends Error {
  /** Name of the class. */
  override name = "NoRetry";
}

/**
 * Thrown by a job to choose when the next attempt runs. It uses an attempt.
 *
 * @example
 * ```ts
 * import { RetryAfter } from "@mqk/core";
 * export async function fetchPage(url: string) {
 *   const response = await fetch(url);
 *   if (response.status === 429) throw new RetryAfter(30);
 * }
 * ```
 */
export class RetryAfter extends Error {
  /** Name of the class. */
  override name = "RetryAfter";
  /** Seconds until the next attempt. */
  readonly seconds: number;

  /** Asks for the next attempt in so many seconds. */
  constructor(seconds: number, message = `retry after ${seconds} s`) {
    super(message);
    this.seconds = seconds;
  }
}
