/**
 * Background jobs as simple as a function call: {@linkcode invoke} names a
 * function of a module and its arguments, and an `mqk run` process, here or on
 * another machine, imports the module and calls it.
 *
 * ```ts
 * import { invoke } from "@mqk/core";
 *
 * const job = await invoke("mqk:calculator#sum", 1, 2);
 * console.log(await job.result()); // 3
 * ```
 *
 * Jobs wait in Redis, or without a server in a file; {@linkcode connect} and
 * the variable `MQK_DSN` say where. Workers are started with
 * `deno run -A jsr:@mqk/core/cli run`. The library prints nothing: it logs
 * through LogTape, in category `mqk`.
 *
 * @module
 */
export {
  type Client,
  connect,
  type ConnectOptions,
  type JobCall,
} from "./src/client/client.ts";
export {
  invoke,
  invokeAll,
  invokeMany,
  jobs,
  schedule,
} from "./src/client/default_client.ts";
export type { Job, JobStatus, ResultOptions } from "./src/client/job.ts";
export type { JobUpdate, UpdatesOptions } from "./src/client/updates.ts";
export type { Schedule } from "./src/client/schedule.ts";
export type {
  AnyJob,
  JobFunction,
  JobOf,
  JobResult,
  JobYield,
  ModuleJobs,
  SendingFunction,
  StaticJobs,
} from "./src/client/typed_jobs.ts";
export {
  ArgumentError,
  BrokerError,
  EnqueueUncertainError,
  JobCancelledError,
  JobFailedError,
  type JobFailure,
  NoRetry,
  ResultNotKeptError,
  ResultNotSerializableError,
  ResultTimeoutError,
  RetryAfter,
  TtlExceededError,
} from "./src/errors.ts";
export type {
  QueueSettings,
  QueueStatus,
} from "./src/client/queue_settings.ts";
export { predecessors } from "./src/client/predecessors.ts";
export type { PredecessorOutcome } from "./src/job/predecessors.ts";
export type {
  JobName,
  JobPolicy,
  JobSpec,
  UniquePolicy,
} from "./src/job/policy.ts";
export type { GroupLimit, LimitRate, Limits } from "./src/job/limits.ts";
export type { Middleware, MiddlewareJob } from "./src/job/middleware.ts";
export type { Backoff } from "./src/job/retry.ts";
export type { ScheduleSpec } from "./src/job/schedule.ts";
export { type CurrentJob, currentJob } from "./src/job_context.ts";
