import { Buffer } from "node:buffer";
import type { Entry, Predecessor } from "../broker/broker.ts";
import { ArgumentError } from "../errors.ts";
import { encodeArguments } from "../job/arguments.ts";
import { encodeWithArguments, MAX_MESSAGE_BYTES } from "../job/message.ts";
import {
  checkPolicy,
  checkQueueName,
  DEFAULT_QUEUE,
  DEFAULT_RETRIES,
  DEFAULT_TTL_SECONDS,
  type JobName,
  type JobPolicy,
  type JobSpec,
} from "../job/policy.ts";
import { printPredecessor } from "../job/predecessors.ts";
import { chosenKey } from "../job/unique.ts";
import { parseReference } from "../job/reference.ts";
import type { ScheduleSpec } from "../job/schedule.ts";
import { isTracing, type TraceContext } from "../tracing.ts";
import type { Client, JobCall } from "./client.ts";
import { parseHandle } from "./handle.ts";
import { type Follow, type Job, StoredJob } from "./job.ts";
import type { Schedule } from "./schedule.ts";
import type { SchedulesParts } from "./schedules.ts";
import { Outcomes } from "./outcomes.ts";
import { type QueueSettings, StoredQueueSettings } from "./queue_settings.ts";
import { BatchSender } from "./send_batch.ts";
import { SendSpans } from "./send_spans.ts";
import type { StoreConnection } from "./store_connection.ts";
import {
  type AnyJob,
  type JobFunction,
  type JobOf,
  type ModuleJobs,
  moduleJobs,
} from "./typed_jobs.ts";
import { follow } from "./updates.ts";

/** The first jobs of a stretch say when they were sent, then one in so many. */
const STAMPED_FIRST_JOBS = 50;
const STAMP_EVERY_JOBS = 500;
const STAMP_STRETCH_MS = 20;

/** When a call was made, and in which trace. The clock is asked once a call. */
interface Moment {
  readonly nowMs: number;
  readonly trace?: TraceContext;
}

/** A client over any store of jobs. */
export class StoreClient implements Client {
  readonly #connection: StoreConnection;
  readonly #sender: BatchSender;
  readonly #outcomes: Outcomes;
  readonly #follow: Follow;
  readonly #spans = new SendSpans();
  readonly #producer = newProducer();
  #jobs = 0;
  #stretchMs = -Infinity;
  #inStretch = 0;
  /** The last one is mostly the next one. */
  #checkedReference: string | undefined;

  constructor(connection: StoreConnection) {
    this.#connection = connection;
    const store = () => connection.store();
    this.#sender = new BatchSender(async (entries) =>
      await (await store()).enqueue(entries)
    );
    this.#outcomes = new Outcomes(store, () => connection.now());
    this.#follow = (followed) => follow(followed, store, this.#outcomes);
  }

  async invoke<F extends JobFunction = AnyJob>(
    target: string | JobSpec,
    ...args: Parameters<F>
  ): Promise<JobOf<F>> {
    const spec = typeof target === "string" ? { job: target } : target;
    return await this.#traced([spec], async (moment) => {
      const entry = this.#entry(spec, args, moment);
      const [id] = await this.#sender.send([entry]);
      return this.#job(spec, entry, id, moment) as JobOf<F>;
    }, ({ id }) => id);
  }

  async invokeMany<F extends JobFunction = AnyJob>(
    calls: readonly JobCall<Parameters<F>>[],
  ): Promise<JobOf<F>[]> {
    if (calls.length === 0) return [];
    return await this.#traced(calls, async (moment) => {
      const entries = calls.map((call) =>
        this.#entry(call, call.args ?? [], moment)
      );
      const ids = await this.#sender.send(entries);
      return ids.map((id, i) =>
        this.#job(calls[i], entries[i], id, moment) as JobOf<F>
      );
    });
  }

  async invokeAll<F extends JobFunction = AnyJob>(
    calls: readonly JobCall<Parameters<F>>[],
    { then }: { then: JobCall },
  ): Promise<{ jobs: JobOf<F>[]; then: Job }> {
    if (then.after !== undefined) {
      throw new ArgumentError(
        "Cannot take `after` in then: it starts after these jobs",
      );
    }
    for (const call of calls) {
      if (call.idempotencyKey ?? call.unique ?? call.after !== undefined) {
        throw new ArgumentError(
          "Cannot send a job of invokeAll with idempotencyKey, unique or " +
            "after: what is awaited must be this very job",
        );
      }
    }
    return await this.#traced([...calls, then], async (moment) => {
      const entries = calls.map((call) =>
        this.#entry(call, call.args ?? [], moment)
      );
      const jobs = entries.map((entry, i) =>
        this.#job(calls[i], entry, entry.id, moment) as JobOf<F>
      );
      const after = jobs.length === 0 ? undefined : jobs;
      const last = this.#entry({ ...then, after }, then.args ?? [], moment);
      const callback = this.#job(then, last, last.id, moment);
      // It comes first: a job whose end nobody awaits must not be there.
      await this.#sender.send([last]);
      if (jobs.length === 0) return { jobs, then: callback };
      try {
        await this.#sender.send(entries);
      } catch (error) {
        // Of some nobody knows whether they will ever end.
        await callback.cancel().catch(() => {});
        throw error;
      }
      return { jobs, then: callback };
    });
  }

  jobs<M = Record<string, AnyJob>>(
    module: string,
    policy: JobPolicy = {},
  ): ModuleJobs<M> {
    checkPolicy(policy);
    return moduleJobs<M>(
      module,
      policy,
      (spec, ...args) => this.invoke(spec, ...args),
    );
  }

  job<T = unknown, U = unknown>(handle: string): Job<T, U> {
    return new StoredJob(parseHandle(handle), this.#outcomes, this.#follow);
  }

  queue(name: string): QueueSettings {
    return new StoredQueueSettings(name, () => this.#connection.control());
  }

  async schedule(name: string, spec: ScheduleSpec): Promise<Schedule> {
    const { defineSchedule } = await import("./schedules.ts");
    return await defineSchedule(this.#schedulesParts(), name, spec);
  }

  async schedules(queue?: string): Promise<Schedule[]> {
    if (queue !== undefined) checkQueueName(queue);
    const { listSchedules } = await import("./schedules.ts");
    return await listSchedules(this.#schedulesParts(), queue);
  }

  async close(): Promise<void> {
    await this.#sender.idle();
    await this.#outcomes.close();
    await this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #schedulesParts(): SchedulesParts {
    return {
      store: async () => (await this.#connection.store()).schedules,
      send: async (call) => (await this.invokeMany([call]))[0],
    };
  }

  /** Sends; within a span of its own, if anybody receives spans. */
  #traced<T>(
    specs: readonly JobSpec[],
    send: (moment: Moment) => Promise<T>,
    idOf?: (sent: T) => string,
  ): Promise<T> {
    const now = () => this.#connection.now();
    if (!isTracing()) return send({ nowMs: now() });
    return this.#spans.send(
      specs,
      (trace) => send({ nowMs: now(), trace }),
      idOf,
    );
  }

  #entry(
    spec: JobSpec,
    args: readonly unknown[],
    { nowMs, trace }: Moment,
  ): Entry {
    checkSpec(spec);
    if (spec.job !== this.#checkedReference) {
      parseReference(spec.job);
      this.#checkedReference = spec.job;
    }
    const id = `${this.#producer}.${this.#jobs++}`;
    const json = encodeArguments(args);
    const after = spec.after === undefined
      ? undefined
      : predecessorsOf([spec.after].flat());
    const unique = spec.unique && chosenKey(spec.unique, spec.job, json);
    const message = encodeWithArguments({
      id,
      job: spec.job,
      ttl: spec.ttl ?? DEFAULT_TTL_SECONDS,
      retries: spec.retries ?? DEFAULT_RETRIES,
      backoff: spec.backoff ?? "exponential",
      attempt: 1,
      result: spec.result ?? true,
      // What time lets go a worker need not know.
      unique: unique?.until && { key: unique.key, until: unique.until },
      group: spec.group,
      after: after?.map(printPredecessor),
      onFailure: after && spec.onFailure === "skip" ? "skip" : undefined,
      sentMs: trace !== undefined || this.#saysWhen(nowMs) ? nowMs : undefined,
      trace,
    }, json);
    checkSize(message);
    return {
      id,
      queue: spec.queue ?? DEFAULT_QUEUE,
      message,
      delayMs: spec.delay === undefined ? undefined : spec.delay * 1000,
      atMs: spec.at?.getTime(),
      idempotencyKey: spec.idempotencyKey,
      unique: unique && {
        key: unique.key,
        seconds: unique.seconds,
        replace: spec.unique?.onConflict === "replace",
      },
      group: spec.group,
      after,
    };
  }

  /**
   * Whether a job says when it was sent. Of many at once few do: to say it
   * makes a message a quarter longer, and who looks how long jobs wait finds
   * one nearby.
   */
  #saysWhen(nowMs: number): boolean {
    if (nowMs - this.#stretchMs >= STAMP_STRETCH_MS) {
      this.#stretchMs = nowMs;
      this.#inStretch = 0;
    }
    const place = this.#inStretch++;
    return place < STAMPED_FIRST_JOBS || place % STAMP_EVERY_JOBS === 0;
  }

  #job(
    spec: JobSpec,
    { queue, delayMs = 0, atMs }: Entry,
    id: string,
    { nowMs }: Moment,
  ): Job {
    const dueMs = Math.max(nowMs + delayMs, atMs ?? 0);
    const kept = spec.result ?? true;
    return new StoredJob(
      { id, queue, dueMs, kept },
      this.#outcomes,
      this.#follow,
    );
  }
}

function checkSpec(spec: JobSpec): void {
  if (typeof spec !== "object" || spec === null) {
    throw new ArgumentError(
      `Cannot send ${spec === null ? "null" : `a ${typeof spec}`}: it must ` +
        "be <module>#<export>, or an object with it as `job`",
    );
  }
  checkPolicy(spec);
}

function predecessorsOf(names: readonly JobName[]): Predecessor[] {
  return names.map((name) => {
    const handle = typeof name === "string" ? name : name?.handle;
    const { queue, id, kept } = parseHandle(handle);
    if (!kept) {
      throw new ArgumentError(
        `Cannot wait for job ${id}: nobody hears of its end, as it was sent ` +
          "with result: false",
      );
    }
    return { queue, id };
  });
}

function checkSize(message: string): void {
  // A UTF-16 unit is at most 3 bytes of UTF-8.
  if (message.length * 3 <= MAX_MESSAGE_BYTES) return;
  const bytes = Buffer.byteLength(message);
  if (bytes <= MAX_MESSAGE_BYTES) return;
  throw new ArgumentError(
    `Cannot send a message of ${bytes} bytes: it must be at most ` +
      `${MAX_MESSAGE_BYTES}, arguments included`,
  );
}

const ALPHABET =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/**
 * A random name for a client: 10 of 62 characters, almost 60 bits. What bears
 * it is kept at most 30 days, in the failed set. Of ten million clients within
 * that time two have the same name with a chance of 1 in 16,000, and only jobs
 * with the same number on the same queue would be mistaken for each other.
 * Longer names would cost memory with each job that waits.
 */
function newProducer(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  // Only below the largest multiple of 62 is each character equally likely.
  return Array.from(bytes.filter((byte) => byte < 248).slice(0, 10))
    .map((byte) => ALPHABET[byte % 62]).join("");
}
