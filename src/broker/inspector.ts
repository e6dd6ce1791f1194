/**
 * Looking into queues: what operators need, apart from what workers need.
 *
 * @module
 */
import type { Ties } from "../job/ties.ts";
import type { Cancellation, Counts } from "./broker.ts";

/**
 * Where a job can lie in its queue, in the order in which it passes through.
 * Blocked: it waits for other jobs.
 */
export const JOB_STATES = [
  "scheduled",
  "blocked",
  "ready",
  "suspect",
  "crashed",
  "held",
  "retry",
  "failed",
] as const;

/** One of {@linkcode JOB_STATES}. */
export type JobState = typeof JOB_STATES[number];

/** So many jobs of one state of a queue are looked at, the first ones. */
export const LOOK_JOBS = 100_000;

/** A job as it lies in a queue. */
export interface JobRecord {
  readonly queue: string;
  readonly state: JobState;
  /** Names it to `replay`, `hasten` and `remove`, as long as it lies there. */
  readonly key: string;
  /** Its message; of a failed one its entry, see `job/outcome.ts`. */
  readonly text: string;
  /**
   * Failed: when it came there; scheduled or retry: when it is due. In
   * milliseconds since 1970.
   */
  readonly atMs?: number;
  /** Held: the worker that holds it. */
  readonly worker?: string;
}

/** One look at a queue; its parts are not of exactly the same moment. */
export interface QueueLook {
  readonly queue: string;
  readonly counts: Counts;
  /** Jobs that left it since it is counted: done, or taken by fast mode. */
  readonly done: number;
  /** And those that went to its failed set. */
  readonly failed: number;
  /** Nobody gets jobs of it for now. */
  readonly paused: boolean;
  /**
   * The message that a worker gets next; or, if it does not say when it was
   * sent, the first one nearby that does.
   */
  readonly next?: string;
}

/** So far behind the first job is looked for one that says when it was sent. */
export const NEARBY_JOBS = 500;

/** Whether a message says when it was sent: of many that come together one does. */
export function saysWhenSent(message: string): boolean {
  return message.includes('"sent":');
}

/** What a worker last said of itself. */
export interface WorkerRecord {
  readonly name: string;
  /** See `worker/health.ts`. */
  readonly health: Readonly<Record<string, string>>;
  /** How long ago it said so, by the broker's clock. */
  readonly ageMs: number;
}

/** Lists and changes what lies in queues. */
export interface Inspector extends AsyncDisposable {
  /** Names of all queues that were ever used, sorted. */
  queues(): Promise<string[]>;

  /** How it stands with queues, in their order. */
  look(queues: readonly string[]): Promise<QueueLook[]>;

  /** Workers that live, or did a minute ago, in no order. */
  workers(): Promise<WorkerRecord[]>;

  /**
   * The jobs of one state, read page by page: what waits or failed oldest
   * first, what is due next first, at most {@linkcode LOOK_JOBS}. What stays
   * where it is meanwhile is answered, also if others before it leave; what
   * comes or moves may be left out or come twice.
   */
  jobs(queue: string, state: JobState): AsyncIterable<JobRecord>;

  /** The stored outcome of a job; `null`: none yet, or none any more. */
  outcome(queue: string, id: string): Promise<string | null>;

  /**
   * Takes an entry out of the failed set and puts `message` at the end of the
   * queue; the outcome stored under `id` is forgotten, so that the job is
   * pending again. `gone`: the entry is not there any more; `taken`: another job
   * has the unique key of `ties`.
   */
  replay(
    record: JobRecord,
    message: string,
    id?: string,
    ties?: Ties,
  ): Promise<"replayed" | "gone" | "taken">;

  /**
   * Makes a scheduled or retrying job due: the next step of the reaper moves
   * it. `false`: it is not there any more.
   */
  hasten(record: JobRecord): Promise<boolean>;

  /** As `JobStore.cancel`. */
  cancel(queue: string, jobs: readonly Cancellation[]): Promise<boolean[]>;

  /** Ids of jobs that were cancelled, and that no worker has met since. */
  cancelled(queue: string): Promise<readonly string[]>;

  /**
   * Removes a job, unless it is held, and lets go what it has. `false`: it is
   * not there any more, or, if it waits, behind more than {@linkcode LOOK_JOBS}
   * others.
   */
  remove(record: JobRecord, ties?: Ties): Promise<boolean>;
}
