/**
 * The name of every key. All keys of a queue share a hash tag, so that its
 * scripts run on one node of a cluster.
 *
 * @module
 */
import { DEFAULT_PREFIX } from "../redis_dsn.ts";

/** The version of the keys that this program writes. */
export const KEYS_VERSION = 2;
/** Jobs of one producer whose outcomes share a hash. */
const BUCKET_JOBS = 128;

/** All keys of one installation: their names begin with its prefix. */
export class KeySpace {
  /** The set with the names of all queues that were ever used. */
  readonly queues: string;
  /** Sorted set: names of workers and when each last told of its health. */
  readonly workers: string;
  readonly #prefix: string;
  readonly #keys = new Map<string, QueueKeys>();

  constructor(prefix: string = DEFAULT_PREFIX) {
    this.#prefix = prefix;
    this.queues = `${prefix}:queues`;
    this.workers = `${prefix}:workers`;
  }

  /** The keys of a queue. */
  of(queue: string): QueueKeys {
    let keys = this.#keys.get(queue);
    if (keys === undefined) {
      this.#keys.set(queue, keys = new QueueKeys(queue, this.#prefix));
    }
    return keys;
  }

  /** Hash: the health that a worker publishes. */
  worker(worker: string): string {
    return `${this.#prefix}:worker:${worker}`;
  }
}

/** The keys of one queue. */
export class QueueKeys {
  /** Lists of messages. */
  readonly ready: string;
  readonly inbox: string;
  readonly suspect: string;
  readonly crashed: string;
  /** Sorted sets: message and due time, failed entry and its time. */
  readonly scheduled: string;
  readonly retry: string;
  readonly lone: string;
  readonly failed: string;
  /** Sorted set: worker and the tick of its last renewal. */
  readonly workers: string;
  /** Sorted set: result bucket and its last write. */
  readonly buckets: string;
  /** Sorted set: digest of a message that nobody can read yet, since when. */
  readonly putBack: string;
  /** Hash, list, sorted set: jobs of groups; see `groups.lua`. */
  readonly groups: string;
  readonly ring: string;
  readonly groupDue: string;
  /** Hash: unique key and the job that has it. */
  readonly unique: string;
  /** Sorted sets: cancelled job and its number; until when that is known. */
  readonly cancelled: string;
  readonly cancelledUntil: string;
  /** Hash, sorted set: jobs that wait for others; when to look at these. */
  readonly blocked: string;
  readonly blockedDue: string;
  /** Hash: job of this queue and who waits for it. List: those that ended. */
  readonly awaited: string;
  readonly arrivals: string;
  /** Hash: name and definition. Sorted set: name and next due time. */
  readonly schedules: string;
  readonly scheduleDue: string;
  /** Hash: schema version, tick, batch number, counters. */
  readonly meta: string;
  readonly #prefix: string;

  constructor(readonly queue: string, keySpace: string = DEFAULT_PREFIX) {
    const prefix = this.#prefix = `${keySpace}:{${queue}}:`;
    this.ready = prefix + "ready";
    this.inbox = prefix + "inbox";
    this.suspect = prefix + "suspect";
    this.crashed = prefix + "crashed";
    this.scheduled = prefix + "scheduled";
    this.retry = prefix + "retry";
    this.lone = prefix + "lone";
    this.failed = prefix + "failed";
    this.workers = prefix + "workers";
    this.buckets = prefix + "buckets";
    this.putBack = prefix + "put_back";
    this.groups = prefix + "groups";
    this.ring = prefix + "ring";
    this.groupDue = prefix + "group_due";
    this.unique = prefix + "unique";
    this.cancelled = prefix + "cancelled";
    this.cancelledUntil = prefix + "cancelled_until";
    this.blocked = prefix + "blocked";
    this.blockedDue = prefix + "blocked_due";
    this.awaited = prefix + "awaited";
    this.arrivals = prefix + "arrivals";
    this.schedules = prefix + "schedules";
    this.scheduleDue = prefix + "schedule_due";
    this.meta = prefix + "meta";
  }

  /** Hash: token and message of what a worker holds. */
  held(worker: string): string {
    return `${this.#prefix}held:${worker}`;
  }

  /** What a script needs to see whether a worker may change what it holds. */
  lease(worker: string): [meta: string, workers: string, held: string] {
    return [this.meta, this.workers, this.held(worker)];
  }

  /** Hash: number and outcome of up to 128 jobs of one producer. */
  results(bucket: string): string {
    return `${this.#prefix}results:${bucket}`;
  }

  /** String: the job that has this idempotency key. */
  once(idempotencyKey: string): string {
    return `${this.#prefix}once:${idempotencyKey}`;
  }

  /** String: the job that has this unique key for some seconds. */
  onceUnique(key: string): string {
    return `${this.#prefix}once:unique:${key}`;
  }

  /** The channel on which one producer hears of its jobs. */
  done(producer: string): string {
    return `${this.#prefix}done:${producer}`;
  }

  /** Stream: what a job reported last. */
  updates(id: string): string {
    return `${this.#prefix}updates:${id}`;
  }

  /** The channel on which those who follow a job hear that it reported. */
  updated(id: string): string {
    return `${this.#prefix}updated:${id}`;
  }
}

/** A job id in its parts. */
export interface IdParts {
  readonly producer: string;
  /** Its number as text: the field in its bucket. */
  readonly field: string;
  /** `<producer>.<n div 128>`. */
  readonly bucket: string;
}

/** Takes `<producer>.<n>` apart. */
export function splitId(id: string): IdParts {
  const dot = id.lastIndexOf(".");
  const producer = id.slice(0, dot);
  const field = id.slice(dot + 1);
  return {
    producer,
    field,
    bucket: producer + "." + bucketNumber(field),
  };
}

/** Which of its producer's buckets has this field. */
export function bucketNumber(field: string): number {
  return Math.floor(Number(field) / BUCKET_JOBS);
}

const TYPES: readonly (readonly [RegExp, string])[] = [
  [/:(ready|inbox|suspect|crashed|ring|arrivals)$/, "list"],
  [
    /:(scheduled|retry|lone|failed|workers|buckets|put_back|group_due|blocked_due|schedule_due|cancelled(_until)?)$/,
    "zset",
  ],
  [
    /:(meta|schedules|held:.*|results:.*|groups|unique|blocked|awaited)$|^[^{]*:worker:/,
    "hash",
  ],
  [/:once:/, "string"],
  [/:updates:/, "stream"],
  [/^[^{]*:queues$/, "set"],
];

/** The type that a key of ours must have, as Redis names it. */
export function expectedType(key: string): string | undefined {
  return TYPES.find(([pattern]) => pattern.test(key))?.[1];
}
