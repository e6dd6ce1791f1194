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
 *
 * @example
 * ```ts
 * import { BrokerError, invoke } from "@mqk/core";
 * try {
 *   await invoke("mqk:calculator#sum", 1, 2);
 * } catch (error) {
 *   if (!(error instanceof BrokerError)) throw error;
 *   console.error(error.message); // Cannot reach Redis at ...
 * }
 * ```
 */
export class BrokerError extends Error {
  /** Name of the class. */
  override name = "BrokerError";
}

/**
 * The broker gave no answer in time, so the jobs may be stored or not. MQK
 * never sends them a second time by itself; an `idempotencyKey` makes it safe
 * for the caller to do so.
 *
 * @example Send it again, at most once more
 * ```ts
 * import { EnqueueUncertainError, invoke } from "@mqk/core";
 * const job = { job: "./jobs/order.ts#ship", idempotencyKey: "order-7" };
 * try {
 *   await invoke(job, 7);
 * } catch (error) {
 *   if (!(error instanceof EnqueueUncertainError)) throw error;
 *   await invoke(job, 7);
 * }
 * ```
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

/**
 * The job used up its attempts; `cause` is what the last one threw: an error
 * with its name, message and stack.
 *
 * @example
 * ```ts
 * import { invoke, JobFailedError } from "@mqk/core";
 * const job = await invoke("./jobs/mail.ts#send", "a@example.com");
 * try {
 *   await job.result();
 * } catch (error) {
 *   if (!(error instanceof JobFailedError)) throw error;
 *   console.error(error.jobId, error.attempts, error.cause);
 * }
 * ```
 */
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

/**
 * The job was cancelled before it had ended. It is also the reason with which
 * the signal of a running job aborts.
 *
 * @example
 * ```ts
 * import { invoke, JobCancelledError } from "@mqk/core";
 * const job = await invoke("./jobs/report.ts#build", 2026);
 * await job.cancel();
 * try {
 *   await job.result();
 * } catch (error) {
 *   if (!(error instanceof JobCancelledError)) throw error;
 * }
 * ```
 */
export class JobCancelledError extends Error {
  /** Name of the class. */
  override name = "JobCancelledError";
}

/**
 * One attempt took longer than the job's ttl.
 *
 * @example It is the `cause` of a failed job
 * ```ts
 * import { invoke, TtlExceededError } from "@mqk/core";
 * const job = await invoke({ job: "./jobs/report.ts#build", ttl: 10 });
 * try {
 *   await job.result();
 * } catch (error) {
 *   const { cause } = error as Error;
 *   if (cause instanceof TtlExceededError) console.error("too slow");
 * }
 * ```
 */
export class TtlExceededError extends Error {
  /** Name of the class. */
  override name = "TtlExceededError";
}

/**
 * No outcome came within `timeout` seconds; the job itself goes on. `cause` is
 * set if the broker did not answer either.
 *
 * @example
 * ```ts
 * import { invoke, ResultTimeoutError } from "@mqk/core";
 * const job = await invoke("./jobs/report.ts#build");
 * try {
 *   console.log(await job.result({ timeout: 5 }));
 * } catch (error) {
 *   if (!(error instanceof ResultTimeoutError)) throw error;
 *   console.log(`Look for ${job.handle} later`);
 * }
 * ```
 */
export class ResultTimeoutError extends Error {
  /** Name of the class. */
  override name = "ResultTimeoutError";
}

/**
 * The job ended, but its result is not kept, or not any more: it was above
 * 1 MiB, older than an hour, pushed out by newer ones, or sent with
 * `result: false`.
 *
 * @example
 * ```ts
 * import { connect, ResultNotKeptError } from "@mqk/core";
 * await using client = connect();
 * try {
 *   console.log(await client.job(Deno.args[0]).result());
 * } catch (error) {
 *   if (!(error instanceof ResultNotKeptError)) throw error;
 *   console.log("It ended too long ago");
 * }
 * ```
 */
export class ResultNotKeptError extends Error {
  /** Name of the class. */
  override name = "ResultNotKeptError";
}

/**
 * The job is done, but JSON can't hold what it returned; it is not retried.
 *
 * @example
 * ```ts
 * import { invoke, ResultNotSerializableError } from "@mqk/core";
 * const job = await invoke("./jobs/stock.ts#allAsMap");
 * try {
 *   await job.result();
 * } catch (error) {
 *   if (!(error instanceof ResultNotSerializableError)) throw error;
 *   console.log(error.message); // ... result: a Map becomes ...
 * }
 * ```
 */
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
