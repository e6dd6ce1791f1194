/**
 * The client behind the functions at the top level of the library.
 *
 * @module
 */
import { checkPolicy, type JobPolicy, type JobSpec } from "../job/policy.ts";
import type { ScheduleSpec } from "../job/schedule.ts";
import { type Client, connect, type JobCall } from "./client.ts";
import type { Job } from "./job.ts";
import type { Schedule } from "./schedule.ts";
import {
  type AnyJob,
  type JobFunction,
  type JobOf,
  type ModuleJobs,
  moduleJobs,
} from "./typed_jobs.ts";

/** One for the program; its connections do not keep it alive. */
let client: Client | undefined;
let findStandIn: (() => Client | undefined) | undefined;

/** Lets `find` name a client, call by call, that takes the default one's place. */
export function provideStandIn(find: () => Client | undefined): void {
  findStandIn = find;
}

function defaultClient(): Client {
  return findStandIn?.() ?? (client ??= connect());
}

/**
 * Sends one job; resolves when the broker has stored it. A script that only
 * calls this ends by itself. Calls of one turn of the event loop share a round
 * trip; while many are unanswered, further ones wait.
 *
 * The broker is, inside a job, that of its worker; else `MQK_DSN`, else the
 * embedded file `.mqk/queue.sqlite` in the folder of the nearest `deno.json`.
 *
 * @param target `<module>#<export>`, or a {@linkcode JobSpec} with a policy.
 * @param args The function's arguments: values that JSON keeps unchanged.
 * @throws {ArgumentError} If JSON would lose or change an argument, the policy
 * is out of range, or the message is above 1 MiB. Nothing was sent.
 * @throws {BrokerError} If the broker can't be reached or refused it: nothing
 * was stored.
 * @throws {EnqueueUncertainError} If there was no answer within 5 seconds: the
 * job may be stored or not.
 *
 * @example Run a function in a worker and wait for what it returns
 * ```ts
 * import { invoke } from "@mqk/core";
 * type Sum = (a: number, b: number) => number;
 * const job = await invoke<Sum>("mqk:calculator#sum", 1, 2);
 * console.log(await job.result()); // 3
 * ```
 *
 * @example In a minute, on another queue, 10 seconds at most, 5 more attempts
 * ```ts
 * import { invoke } from "@mqk/core";
 * await invoke(
 *   { job: "./jobs/mail.ts#send", queue: "high", ttl: 10, retries: 5, delay: 60 },
 *   "a@example.com",
 * );
 * ```
 */
export function invoke<F extends JobFunction = AnyJob>(
  target: string | JobSpec,
  ...args: Parameters<F>
): Promise<JobOf<F>> {
  return whenConnected((client) => client.invoke<F>(target, ...args));
}

/**
 * Sends many jobs at once; resolves with them, in order, when all are stored.
 * If one call is wrong, none is sent. Errors are those of {@linkcode invoke};
 * `confirmed` of an `EnqueueUncertainError` names those that are stored.
 *
 * @example
 * ```ts
 * import { invokeMany } from "@mqk/core";
 * const sent = await invokeMany(
 *   ["a.txt", "b.txt"].map((path) => ({
 *     job: "./jobs/count.ts#words",
 *     args: [path],
 *   })),
 * );
 * const words = await Promise.all(sent.map((job) => job.result()));
 * ```
 */
export function invokeMany<F extends JobFunction = AnyJob>(
  calls: readonly JobCall<Parameters<F>>[],
): Promise<JobOf<F>[]> {
  return whenConnected((client) => client.invokeMany<F>(calls));
}

/**
 * Sends many jobs, and one that starts when all of them have ended, however
 * they have: its `predecessors()` tells. No end is missed, whoever dies.
 * Errors are those of {@linkcode invoke}.
 *
 * @example
 * ```ts
 * import { invokeAll } from "@mqk/core";
 * const { then } = await invokeAll(
 *   ["a.txt", "b.txt"].map((path) => ({
 *     job: "./jobs/count.ts#words",
 *     args: [path],
 *   })),
 *   { then: { job: "./jobs/count.ts#total" } },
 * );
 * console.log(await then.result());
 * ```
 */
export function invokeAll<F extends JobFunction = AnyJob>(
  calls: readonly JobCall<Parameters<F>>[],
  options: { then: JobCall },
): Promise<{ jobs: JobOf<F>[]; then: Job }> {
  return whenConnected((client) => client.invokeAll<F>(calls, options));
}

/**
 * The functions that a module exports, and static methods of classes that it
 * exports, as functions that send jobs. Their types come from the module, so a
 * wrong argument or name does not compile; the module itself is not loaded.
 *
 * @typeParam M `typeof import("./jobs/mail.ts")`. Left out: any name, any
 * arguments.
 * @param module The module as workers see it: relative to their root.
 * @param policy How each of these jobs is run.
 * @throws {ArgumentError} If the policy is out of range. The functions reject
 * with the errors of {@linkcode invoke}.
 *
 * @example
 * ```ts
 * import { jobs } from "@mqk/core";
 * // In a program: jobs<typeof import("./jobs/calculator.ts")>(...)
 * type Calculator = { sum: (a: number, b: number) => number };
 * const calculator = jobs<Calculator>("./jobs/calculator.ts", { ttl: 10 });
 * const job = await calculator.sum(1, 2);
 * const total: number = await job.result();
 * ```
 */
export function jobs<M = Record<string, AnyJob>>(
  module: string,
  policy: JobPolicy = {},
): ModuleJobs<M> {
  checkPolicy(policy);
  // Which client that is, is asked at each call: this one may be made early.
  return moduleJobs<M>(module, policy, invoke);
}

/**
 * Defines a schedule: from now on each due time sends one job, for any number
 * of workers, whose id is `<name>.<due time in milliseconds since 1970>`. The
 * schedule is kept by the broker, so this program may end; calling it again
 * changes it, or nothing if it says the same. One that is paused stays so.
 *
 * A local time that the clocks skip in spring is due an hour later, one that
 * they repeat in autumn is due once; with `*` as its hour, a cron expression
 * goes by time that passes instead.
 *
 * @param name Unique in its queue, `[A-Za-z0-9_-]{1,64}`. The same name on
 * another queue is another schedule.
 * @param spec The job, its policy and arguments, and when it is due.
 * @throws {ArgumentError} If the name or something in the spec can't be used:
 * an impossible cron expression, an unknown time zone.
 * @throws {BrokerError} If the broker can't be reached or refused it.
 *
 * @example Each night at three, and every five minutes
 * ```ts
 * import { schedule } from "@mqk/core";
 * await schedule("nightly", {
 *   job: "./jobs/report.ts#make",
 *   cron: "0 3 * * *",
 *   timeZone: "Europe/Berlin",
 * });
 * await schedule("poll", { job: "./jobs/feed.ts#poll", every: 300 });
 * ```
 */
export function schedule<F extends JobFunction = AnyJob>(
  name: string,
  spec: ScheduleSpec<Parameters<F>>,
): Promise<Schedule> {
  return whenConnected((client) => client.schedule<F>(name, spec));
}

/** What goes wrong before there is a client rejects as all else does. */
async function whenConnected<T>(
  call: (client: Client) => Promise<T>,
): Promise<T> {
  return await call(defaultClient());
}
