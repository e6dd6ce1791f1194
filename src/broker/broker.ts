/**
 * Where jobs wait: the interface that every broker implements, and its
 * contract. `docs/architecture.md` draws the states a job passes through.
 *
 * A broker never reads a message. A job is a string; a reservation is a token
 * beside it. Each verb is one atomic step: whoever dies, a job is in one place.
 *
 * @module
 */
import type { Schedules } from "./schedules.ts";

import type { Ties } from "../job/ties.ts";
import type { QueueControl } from "./control.ts";
import type { JobStore } from "./job_store.ts";
import type { Updates } from "./updates.ts";

export type {
  Cancellation,
  Entry,
  JobStore,
  Predecessor,
  ResultsChanged,
  UniqueKey,
} from "./job_store.ts";

/** How much to reserve, and what the caller believes. */
export interface ReserveRequest {
  /** Jobs, at most 1,000. */
  readonly limit: number;
  /** Sum of the lengths of the messages in bytes, after the first one. */
  readonly bytes: number;
  /**
   * How many tokens of this queue the worker holds, by its own account. Left
   * out: it can't know, and gets something only if it has a place already.
   */
  readonly known?: number;
  /** Nothing is in flight in any queue, so a suspect may be taken. */
  readonly idle: boolean;
}

/**
 * Jobs that are reserved together.
 *
 * - `ready`: run them;
 * - `suspect`: one job that was held by a worker that died; call `begin`, then
 *   run it with nothing else in the process;
 * - `crashed`: these died alone with their worker; settle each as a failed
 *   attempt, without running it.
 */
export interface Batch {
  readonly kind: "ready" | "suspect" | "crashed";
  readonly tokens: readonly string[];
  /** In the order of the tokens: oldest first. */
  readonly messages: readonly string[];
  /** Suspects that wait in this queue. */
  readonly suspects: number;
  /** How many jobs of this queue were ever cancelled: see `cancelled`. */
  readonly cancels: number;
  /** Jobs wait, but none may be taken now; ask again after so long. */
  readonly blockedMs?: number;
  /**
   * Of some groups jobs wait only for their rate: ask again after so long.
   * Others may come before.
   */
  readonly againMs?: number;
}

/** What fast mode takes. */
export type Taken = Pick<
  Batch,
  "messages" | "cancels" | "blockedMs" | "againMs"
>;

/** Jobs that are cancelled and have not been dropped yet. */
export interface Cancelled {
  /** How many jobs of this queue were ever cancelled. */
  readonly cancels: number;
  readonly ids: readonly string[];
}

/**
 * What a worker reserves by being woken. A broker that is a round trip away
 * does both in one; others need not.
 */
export interface ReserveOnWake {
  readonly worker: string;
  /** Asked right before the command is sent. Nothing: only wake. */
  request(queue: string): WakeRequest | undefined;
}

/** One such request; what it brings may come at any time. */
export interface WakeRequest extends ReserveRequest {
  /**
   * Takes over a batch of ready or crashed jobs, which is not empty. If a
   * `reconcile` was sent after the request, its tokens must be released.
   */
  reserved(batch: Batch): void;
}

/** How a reserved job ends. */
export type Settlement =
  | {
    readonly kind: "done";
    readonly token: string;
    /** Where to store the outcome; left out: it is not stored. */
    readonly id?: string;
    readonly outcome?: string;
    /** What it lets go; `{ id }` also of a job that was cancelled. */
    readonly ties?: Ties;
  }
  | {
    readonly kind: "retry";
    readonly token: string;
    /** It lets its place in its group go, and waits for it again. */
    readonly ties?: Ties;
    /** Stored instead of the reserved one; unique (`uid`, if without id). */
    readonly message: string;
    readonly delayMs: number;
    /** It was charged for a crash: it comes back as a suspect. */
    readonly alone?: boolean;
    /**
     * If this very message was first put back so long ago, it goes to the
     * failed set as `entry` instead.
     */
    readonly giveUp?: { readonly afterMs: number; readonly entry: string };
  }
  | {
    readonly kind: "failed";
    readonly token: string;
    /** Its entry of the failed set (see `job/outcome.ts`); unique. */
    readonly entry: string;
    readonly id?: string;
    readonly outcome?: string;
    readonly ties?: Ties;
  };

/** The outcome of a job of fast mode. */
export interface OutcomeRecord {
  readonly id: string;
  readonly outcome: string;
}

/** What one step of the reaper saw in a queue. */
export interface Reaped {
  /** This call advanced the tick; otherwise another worker had done so. */
  readonly advanced: boolean;
  /** More jobs are due than one step moves: call again. */
  readonly more: boolean;
  /** Names of workers whose lease has lapsed: call `recover` for each. */
  readonly lapsed: readonly string[];
  /** Suspect and crashed jobs that wait; 0 while the queue is paused. */
  readonly suspects: number;
  /** Some schedules are due: fire them. */
  readonly schedulesDue: boolean;
}

/** What a renewal learned about the place of the worker in a queue. */
export interface Renewal {
  /** How many tokens the worker holds there. */
  readonly held: number;
  /** Version of the keys or tables; larger than the broker's: drain and leave. */
  readonly schema: number;
  /** As in `Batch`. */
  readonly cancels: number;
}

/** How many jobs are in which state. Not one atomic look at all of them. */
export interface Counts {
  /** Those of groups included. */
  readonly ready: number;
  readonly suspect: number;
  readonly crashed: number;
  readonly held: number;
  /** Of these, by workers whose last renewal is 3 ticks old or more. */
  readonly heldByLate: number;
  /** Failed attempts that wait for their next one, `lone` ones included. */
  readonly retry: number;
  /** Delayed by their caller, or waiting for other jobs. */
  readonly scheduled: number;
  readonly failed: number;
}

/** Ticks after which a lease that was not renewed has lapsed. */
export const LEASE_TICKS = 10;
/** A tick is at least this long. */
export const TICK_MS = 1000;
/** The most jobs, and bytes, of one command. */
export const MAX_BATCH_JOBS = 1000;
export const MAX_BATCH_BYTES = 1024 * 1024;

/**
 * A store of queues, as a worker uses it. `worker` is a name that was never
 * used before. A worker calls `reserve` for one queue only when its last
 * `reserve` of that queue was answered, and after an error that leaves it in
 * doubt ({@linkcode BrokerUnavailableError}) only after `reconcile`. What is
 * reserved on a wake-up is apart from that, as it leaves `known` out.
 *
 * All verbs throw {@linkcode BrokerUnavailableError} when it is uncertain
 * whether they ran, {@linkcode BrokerError} when they were refused.
 */
export interface Broker extends JobStore, AsyncDisposable {
  /** The version of the keys or tables that it writes. */
  readonly schemaVersion: number;
  /** Queues lie on several servers: one may be away while others are not. */
  readonly isSpread: boolean;
  readonly updates: Updates;
  readonly schedules: Schedules;

  /**
   * Makes queues known to `queues` and checks their schema; at start, and from
   * time to time, as the store may have been emptied since.
   *
   * @throws {SchemaError} If a later version of this program uses one of them.
   */
  register(queues: readonly string[]): Promise<void>;

  /** Names of all queues that were ever used. */
  queues(): Promise<string[]>;

  /**
   * Moves waiting jobs to this worker, and renews its lease there. Never
   * waits: no tokens means that nothing was ready. Crashed jobs come before a
   * suspect, a suspect (only if `idle`) before ready jobs; one kind per call.
   *
   * @throws {FencedError} If the worker's lease has lapsed.
   * @throws {MismatchError} If `known` is wrong: nothing moved.
   */
  reserve(
    worker: string,
    queue: string,
    request: ReserveRequest,
  ): Promise<Batch>;

  /**
   * Marks a suspect as begun, so that the death of the worker charges it.
   * Answers with its new token. Idempotent.
   *
   * @throws {FencedError} If the worker does not hold it any more.
   */
  begin(worker: string, queue: string, token: string): Promise<string>;

  /**
   * Ends reserved jobs. A token that is not held changes nothing. Idempotent.
   * Answers how many were held.
   *
   * @throws {FencedError} If the worker's lease has lapsed: nothing changed.
   */
  settle(
    worker: string,
    queue: string,
    settlements: readonly Settlement[],
  ): Promise<number>;

  /**
   * Puts jobs back where they came from, in their order. Idempotent.
   *
   * @throws {FencedError} If the worker's lease has lapsed: nothing changed.
   */
  release(
    worker: string,
    queue: string,
    tokens: readonly string[],
  ): Promise<void>;

  /**
   * Renews the lease on what the worker holds, queue by queue.
   *
   * @throws {FencedError} If it has lapsed in one of them.
   */
  renew(worker: string, queues: readonly string[]): Promise<Renewal[]>;

  /**
   * Makes both sides agree after an uncertain command: puts back what is held
   * but not in `tokens`, and answers with those of `tokens` that are not held.
   *
   * @throws {FencedError} If the worker's lease has lapsed.
   */
  reconcile(
    worker: string,
    queue: string,
    tokens: readonly string[],
  ): Promise<string[]>;

  /**
   * Takes the place of a dead worker and puts what it held back, in one step:
   * begun suspects to crashed, others to suspect. Its late commands are
   * refused from then on. With `"lapsed"` only if its lease has lapsed.
   * Answers how many jobs it put back.
   */
  recover(
    worker: string,
    queue: string,
    reason: "replaced" | "lapsed",
  ): Promise<number>;

  /** One step of the reaper: due jobs to ready, a tick each second. */
  reap(queue: string): Promise<Reaped>;

  /**
   * Waits until one of `queues` may have ready jobs, and answers with their
   * names; empty after `signal` aborts, or for a look after some seconds. Goes
   * on if the job that would end it was reserved for `onWake`.
   */
  wait(
    queues: readonly string[],
    signal: AbortSignal,
    onWake?: ReserveOnWake,
  ): Promise<string[]>;

  /** After a `wait` that was not followed by a `reserve`: lets others go. */
  pass(queue: string): Promise<void>;

  /** Fast mode: removes waiting jobs for good, and lets go what they have. */
  take(queue: string, limit: number, bytes: number): Promise<Taken>;

  /** Fast mode: stores outcomes. */
  record(queue: string, outcomes: readonly OutcomeRecord[]): Promise<void>;

  /** Jobs whose cancellation has a number above `after`. */
  cancelled(queue: string, after: number): Promise<Cancelled>;

  /** A job is about to start that has its unique key only until then. */
  unlock(queue: string, ties: Ties): Promise<void>;

  /** How queues are served. */
  readonly control: QueueControl;

  /** How many jobs are in which state, queue by queue. */
  counts(queues: readonly string[]): Promise<Counts[]>;

  /**
   * What an operator should change, as one line each that names the setting:
   * no AOF, eviction, and so on. Empty if all is well or can't be known.
   */
  warnings(): Promise<string[]>;

  /** Publishes a worker's health for a while; an empty one withdraws it. */
  report(worker: string, health: Record<string, string>): Promise<void>;
}

/** The worker's lease has lapsed; another may have its jobs already. */
export class FencedError extends Error {
  override name = "FencedError";
}

/** The worker and the broker disagree on what the worker holds. */
export class MismatchError extends Error {
  override name = "MismatchError";
}

/** No answer, or one that says "later": the command ran, or it did not. */
export class BrokerUnavailableError extends Error {
  override name = "BrokerUnavailableError";
}

/** The store was written by a later version of this program. */
export class SchemaError extends Error {
  override name = "SchemaError";
}

/** A foreign value is where one of ours belongs; names the key. */
export class WrongTypeError extends Error {
  override name = "WrongTypeError";
}
