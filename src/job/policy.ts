import { ArgumentError } from "../errors.ts";
import type { Backoff } from "./retry.ts";

/**
 * What a caller may say about how a job is run. A number is seconds.
 *
 * @example
 * ```ts
 * import { type JobPolicy, jobs } from "@mqk/core";
 * const patient: JobPolicy = { ttl: 600, retries: 10, backoff: { fixed: 60 } };
 * const mail = jobs("./jobs/mail.ts", patient);
 * await mail.send("a@example.com");
 * ```
 */
export interface JobPolicy {
  /** Name of the queue, `[A-Za-z0-9_.-]{1,100}`. Default: `"default"`. */
  queue?: string;
  /** Seconds that one attempt may take. Default 60, at most 24 days. */
  ttl?: number;
  /** How often a failed job is tried again. Default 3. */
  retries?: number;
  /** When it is tried again. Default `"exponential"`. */
  backoff?: Backoff;
  /** Seconds until it may run. Default 0. */
  delay?: number;
  /** The moment from which it may run; instead of `delay`. */
  at?: Date;
  /**
   * `[A-Za-z0-9_.-]{1,100}`. A second job with this key on its queue within a
   * day is not stored; the call answers with the first one.
   */
  idempotencyKey?: string;
  /** Of jobs like this one only one is there at a time. */
  unique?: UniquePolicy;
  /**
   * `[A-Za-z0-9_.-]{1,100}`: jobs of different groups take turns, and each
   * group can have limits. Default: none.
   */
  group?: string;
  /**
   * Jobs, or their handles, at most 10,000: it starts when these have ended, on
   * whatever queue they are. They must not have `result: false`, nor have ended
   * more than an hour ago: nobody knows that, and it is cancelled after 30 days.
   * Without `delay`, `at`, `idempotencyKey` and `unique`.
   */
  after?: JobName | readonly JobName[];
  /**
   * If one of them has failed or was cancelled: `"run"`, it runs, and
   * `predecessors()` tells it; `"skip"`, it does not run, and has failed as
   * well. Default `"run"`.
   */
  onFailure?: "run" | "skip";
  /** `false`: do not keep the result. Default `true`. */
  result?: boolean;
}

/** A job, or its handle. */
export type JobName = string | { readonly handle: string };

/**
 * Of jobs with one key only one is there at a time, on each queue.
 *
 * @example While it waits, a second one would do the same
 * ```ts
 * import { invoke } from "@mqk/core";
 * await invoke(
 *   { job: "./jobs/search.ts#index", unique: { for: "waiting" } },
 *   "article-7",
 * );
 * ```
 */
export interface UniquePolicy {
  /**
   * `[A-Za-z0-9_.-]{1,100}`. Default: one made of the job's reference and its
   * arguments.
   */
  key?: string;
  /**
   * How long it has the key: `"running"`, until it has ended, however it ends;
   * `"waiting"`, until it starts; or so many seconds from now, 1 to a year,
   * whatever becomes of it. Default `"running"`. A job that is cancelled has its
   * key no more, though it may take a second to end.
   */
  for?: "running" | "waiting" | number;
  /**
   * `"keep"`: if another job has the key, nothing is stored, and the call
   * answers with that job. `"replace"`: that job is cancelled. Default `"keep"`.
   */
  onConflict?: "keep" | "replace";
}

/**
 * A job with its policy.
 *
 * @example
 * ```ts
 * import { invoke, type JobSpec } from "@mqk/core";
 * const spec: JobSpec = {
 *   job: "./jobs/mail.ts#send",
 *   at: new Date("2030-01-01T08:00:00Z"),
 *   idempotencyKey: "new-year-a",
 * };
 * await invoke(spec, "a@example.com");
 * ```
 */
export interface JobSpec extends JobPolicy {
  /** `<module>#<export>`. */
  job: string;
}

export const DEFAULT_QUEUE = "default";
export const DEFAULT_TTL_SECONDS = 60;
export const DEFAULT_RETRIES = 3;
const MAX_TTL_SECONDS = 24 * 86_400;
const MAX_RETRIES = 1000;
const MAX_DELAY_SECONDS = 10 * 366 * 86_400;
const MAX_AFTER = 10_000;
const MAX_UNIQUE_SECONDS = 366 * 86_400;
const NAME = /^[A-Za-z0-9_.-]{1,100}$/;
const SCHEDULE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Checks a policy.
 *
 * @throws {ArgumentError} Naming what was given and what is required.
 */
export function checkPolicy(policy: JobPolicy): void {
  if (policy.queue !== undefined) checkQueueName(policy.queue);
  number(
    policy.ttl,
    "ttl",
    "above 0 and at most 24 days, in seconds",
    (n) => n > 0 && n <= MAX_TTL_SECONDS,
  );
  number(policy.retries, "retries", `a whole number from 0 to ${MAX_RETRIES}`, (
    n,
  ) => Number.isInteger(n) && n >= 0 && n <= MAX_RETRIES);
  number(
    policy.delay,
    "delay",
    "0 to 10 years, in seconds",
    (n) => n >= 0 && n <= MAX_DELAY_SECONDS,
  );
  if (policy.backoff !== undefined && policy.backoff !== "exponential") {
    number(
      policy.backoff?.fixed ?? NaN,
      "backoff",
      '"exponential" or { fixed: seconds }',
      (n) => n >= 0 && n <= MAX_DELAY_SECONDS,
    );
  }
  if (policy.at !== undefined) {
    if (policy.delay !== undefined) {
      throw new ArgumentError("Cannot take both delay and at: give one");
    }
    if (!(policy.at instanceof Date) || Number.isNaN(policy.at.getTime())) {
      throw new ArgumentError("Cannot take this `at`: it must be a valid Date");
    }
  }
  if (policy.idempotencyKey !== undefined) {
    checkName(policy.idempotencyKey, "idempotency key");
  }
  if (policy.unique !== undefined) checkUnique(policy.unique);
  if (policy.group !== undefined) checkName(policy.group, "group");
  checkAfter(policy);
  if (policy.result !== undefined && typeof policy.result !== "boolean") {
    throw new ArgumentError("Cannot take this `result`: it must be a boolean");
  }
}

/**
 * Checks the name of a queue.
 *
 * @throws {ArgumentError} If it does not match `[A-Za-z0-9_.-]{1,100}`.
 */
export function checkQueueName(name: string): void {
  checkName(name, "queue name");
}

/**
 * Checks a name of the user's.
 *
 * @throws {ArgumentError} If it does not match `[A-Za-z0-9_.-]{1,100}`.
 */
export function checkName(name: string, what: string): void {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new ArgumentError(
      `Cannot use ${what} ${JSON.stringify(name)}: ` +
        "it must match [A-Za-z0-9_.-]{1,100}",
    );
  }
}

/**
 * Checks the name of a schedule: it becomes part of its jobs' ids.
 *
 * @throws {ArgumentError} If it does not match `[A-Za-z0-9_-]{1,64}`.
 */
export function checkScheduleName(name: string): void {
  if (typeof name !== "string" || !SCHEDULE_NAME.test(name)) {
    throw new ArgumentError(
      `Cannot use schedule name ${JSON.stringify(name)}: ` +
        "it must match [A-Za-z0-9_-]{1,64}",
    );
  }
}

function checkAfter(policy: JobPolicy): void {
  const { after, onFailure } = policy;
  if (
    onFailure !== undefined && onFailure !== "run" && onFailure !== "skip"
  ) {
    throw new ArgumentError(
      `Cannot take onFailure ${JSON.stringify(onFailure)}: ` +
        'it must be "run" or "skip"',
    );
  }
  if (after === undefined) return;
  for (const name of ["delay", "at", "idempotencyKey", "unique"] as const) {
    if (policy[name] !== undefined) {
      throw new ArgumentError(`Cannot take both after and ${name}: give one`);
    }
  }
  const count = [after].flat().length;
  if (count < 1 || count > MAX_AFTER) {
    throw new ArgumentError(
      `Cannot start after ${count} jobs: it must be 1 to ${MAX_AFTER}`,
    );
  }
}

function checkUnique(unique: UniquePolicy): void {
  if (typeof unique !== "object" || unique === null) {
    throw new ArgumentError("Cannot take this `unique`: it must be an object");
  }
  const { key, for: period = "running", onConflict = "keep" } = unique;
  if (key !== undefined) checkName(key, "unique key");
  const isSeconds = typeof period === "number" && Number.isInteger(period) &&
    period >= 1 && period <= MAX_UNIQUE_SECONDS;
  if (period !== "running" && period !== "waiting" && !isSeconds) {
    throw new ArgumentError(
      `Cannot take unique.for ${JSON.stringify(period)}: it must be ` +
        '"running", "waiting", or whole seconds from 1 to a year',
    );
  }
  if (onConflict !== "keep" && onConflict !== "replace") {
    throw new ArgumentError(
      `Cannot take unique.onConflict ${JSON.stringify(onConflict)}: ` +
        'it must be "keep" or "replace"',
    );
  }
}

function number(
  value: number | undefined,
  name: string,
  required: string,
  fits: (value: number) => boolean,
): void {
  if (value === undefined) return;
  if (typeof value !== "number" || !fits(value)) {
    throw new ArgumentError(
      `Cannot take ${name} ${JSON.stringify(value)}: it must be ${required}`,
    );
  }
}
