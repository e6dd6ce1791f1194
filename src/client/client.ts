import {
  addParameters,
  clusterDsn,
  defaultDsn,
  parseDsn,
} from "../broker/dsn.ts";
import { ArgumentError } from "../errors.ts";
import type { JobPolicy, JobSpec } from "../job/policy.ts";
import type { ScheduleSpec } from "../job/schedule.ts";
import { jobContext } from "../job_context.ts";
import type { Job } from "./job.ts";
import type { QueueSettings } from "./queue_settings.ts";
import type { Schedule } from "./schedule.ts";
import { StoreClient } from "./store_client.ts";
import { BorrowedStore, BrokerConnection } from "./store_connection.ts";
import type { AnyJob, JobFunction, JobOf, ModuleJobs } from "./typed_jobs.ts";

/** A job with its policy and its arguments. */
export interface JobCall<Args extends readonly unknown[] = readonly unknown[]>
  extends JobSpec {
  /** The function's arguments. Default: none. */
  args?: Readonly<Args>;
}

/**
 * Sends jobs to one broker, and learns of their results.
 *
 * @example
 * ```ts
 * import { connect } from "@mqk/core";
 * await using client = connect("redis://localhost");
 * const job = await client.invoke("./jobs/calculator.ts#sum", 1, 2);
 * console.log(await job.result());
 * ```
 */
export interface Client extends AsyncDisposable {
  /**
   * Sends one job; resolves when the broker has stored it. Calls of one turn
   * of the event loop share a round trip; while many are unanswered, further
   * ones wait.
   *
   * @param target `<module>#<export>`, or a {@linkcode JobSpec} with a policy.
   * @param args The function's arguments: values that JSON keeps unchanged.
   * @throws {ArgumentError} If JSON would lose or change an argument, the
   * policy is out of range, or the message is above 1 MiB. Nothing was sent.
   * @throws {BrokerError} If the broker can't be reached or refused it:
   * nothing was stored.
   * @throws {EnqueueUncertainError} If there was no answer within 5 seconds:
   * the job may be stored or not.
   */
  invoke<F extends JobFunction = AnyJob>(
    target: string | JobSpec,
    ...args: Parameters<F>
  ): Promise<JobOf<F>>;

  /**
   * Sends many jobs at once; resolves when all are stored. Errors are those of
   * {@linkcode Client.invoke}; if one call is wrong, none is sent.
   *
   * @example
   * ```ts
   * import { connect } from "@mqk/core";
   * await using client = connect();
   * const sent = await client.invokeMany(
   *   ["a.txt", "b.txt"].map((path) => ({
   *     job: "./jobs/count.ts#words",
   *     args: [path],
   *   })),
   * );
   * const words = await Promise.all(sent.map((job) => job.result()));
   * ```
   */
  invokeMany<F extends JobFunction = AnyJob>(
    calls: readonly JobCall<Parameters<F>>[],
  ): Promise<JobOf<F>[]>;

  /**
   * Sends many jobs, and one that starts when all of them have ended, however
   * they have: its `predecessors()` tells. No end is missed, whoever dies.
   * Errors are those of {@linkcode Client.invoke}; after one, `then` does not
   * run. At most 10,000 calls; after none, `then` starts at once.
   *
   * @example
   * ```ts
   * import { connect } from "@mqk/core";
   * await using client = connect();
   * const { then } = await client.invokeAll(
   *   ["a.txt", "b.txt"].map((path) => ({
   *     job: "./jobs/count.ts#words",
   *     args: [path],
   *   })),
   *   { then: { job: "./jobs/count.ts#total" } },
   * );
   * console.log(await then.result());
   * ```
   */
  invokeAll<F extends JobFunction = AnyJob>(
    calls: readonly JobCall<Parameters<F>>[],
    options: { then: JobCall },
  ): Promise<{ jobs: JobOf<F>[]; then: Job }>;

  /**
   * The functions of a module as functions that send jobs, as
   * {@linkcode jobs} does for the default client.
   *
   * @throws {ArgumentError} If the policy is out of range.
   */
  jobs<M = Record<string, AnyJob>>(
    module: string,
    policy?: JobPolicy,
  ): ModuleJobs<M>;

  /**
   * The job with this handle, whoever sent it to this broker.
   *
   * @throws {ArgumentError} If it is not a handle.
   *
   * @example
   * ```ts
   * import { connect } from "@mqk/core";
   * await using client = connect();
   * const job = client.job<number>(Deno.args[0]);
   * console.log(await job.status());
   * ```
   */
  job<T = unknown, U = unknown>(handle: string): Job<T, U>;

  /**
   * What can be set for a queue: whether it is paused, and its limits.
   *
   * @throws {ArgumentError} If it can't be the name of a queue.
   */
  queue(name: string): QueueSettings;

  /**
   * Defines a schedule, as {@linkcode schedule} does for the default client.
   *
   * @throws {ArgumentError} If the name or something in the spec can't be used.
   * @throws {BrokerError} If the broker can't be reached or refused it.
   */
  schedule<F extends JobFunction = AnyJob>(
    name: string,
    spec: ScheduleSpec<Parameters<F>>,
  ): Promise<Schedule>;

  /**
   * All schedules of a queue, or of all queues, sorted by queue and name.
   *
   * @example
   * ```ts
   * import { connect } from "@mqk/core";
   * await using client = connect();
   * for (const { name, nextAt } of await client.schedules()) {
   *   console.log(name, nextAt);
   * }
   * ```
   */
  schedules(queue?: string): Promise<Schedule[]>;

  /**
   * Waits until what was sent is answered, then closes the connections, as
   * `await using` does. A pending `result()` rejects with a `BrokerError`.
   */
  close(): Promise<void>;
}

/**
 * What can be said of a Redis server beside its DSN. Inside a job, where the
 * broker is the worker's own, it is without effect.
 *
 * @example
 * ```ts
 * import { connect, type ConnectOptions } from "@mqk/core";
 * const staging: ConnectOptions = { prefix: "staging" };
 * await using client = connect("redis://localhost", staging);
 * ```
 */
export interface ConnectOptions {
  /**
   * What the names of all keys begin with, `[A-Za-z0-9_.:-]{1,50}`, so that
   * several installations can share a server. Default `"mqk"`.
   */
  prefix?: string;
  /** Whether the servers of the DSN are nodes of a Redis Cluster. */
  cluster?: boolean;
  /** A PEM file with the authority to trust, for `rediss://`. */
  tlsCa?: string;
  /**
   * So many replicas must have a job, 0 to 9, before a call resolves; if they
   * have not within 4 seconds, it rejects with an `EnqueueUncertainError`.
   * Default 0: the server itself is enough.
   */
  replicas?: number;
}

/**
 * A client of one broker. Its connections are opened by the first call, and
 * keep the program alive only while a call is pending.
 *
 * @param dsn `redis://...`, `rediss://...`, `redis+sentinel://...`,
 * `redis+cluster://...`, `unix:/path` or `sqlite:PATH`; with the option
 * `cluster` also several. Default: inside a job the broker of its worker, else `MQK_DSN`, else the
 * embedded file `.mqk/queue.sqlite` in the folder of the nearest `deno.json`.
 * @throws {ArgumentError} If the DSN can't be read, or an option does not fit.
 *
 * @example Keep the queues in a file of your own
 * ```ts
 * import { connect } from "@mqk/core";
 * await using client = connect("sqlite:/var/lib/shop/queue.sqlite");
 * await client.invoke({ job: "./jobs/mail.ts#send", retries: 5 }, "a@b.org");
 * ```
 */
export function connect(
  dsn?: string | readonly string[],
  options: ConnectOptions = {},
): Client {
  const context = dsn === undefined ? jobContext() : undefined;
  if (context !== undefined) {
    const { store, now, control } = context;
    return new StoreClient(new BorrowedStore(store, now, control));
  }
  const { prefix, cluster = false, tlsCa, replicas } = options;
  const dsns = dsn === undefined
    ? [defaultDsn()]
    : [dsn].flat().map((text) => parseDsn(text));
  if (dsns.length !== 1 && !cluster) {
    throw new ArgumentError("Cannot use several DSNs without `cluster: true`");
  }
  return new StoreClient(
    new BrokerConnection(
      addParameters(cluster ? clusterDsn(dsns) : dsns[0], {
        prefix,
        ca: tlsCa,
        replicas,
      }),
    ),
  );
}
