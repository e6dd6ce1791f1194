/**
 * What programs that send jobs need of a broker.
 *
 * @module
 */
import type { ScheduleStore } from "./schedules.ts";
import type { UpdateReader } from "./updates.ts";

/** A job on its way into a queue. */
export interface Entry {
  /** `<producer>.<n>`. */
  readonly id: string;
  readonly queue: string;
  readonly message: string;
  /** Milliseconds from now until it may run, by the broker's clock. */
  readonly delayMs?: number;
  /** Or the moment from which it may run, in milliseconds since 1970. */
  readonly atMs?: number;
  /** If a job with this key was stored on this queue within a day, store nothing. */
  readonly idempotencyKey?: string;
  /** Of jobs with this key only one is there at a time. */
  readonly unique?: UniqueKey;
  /**
   * It waits until these have ended, whose outcomes are kept. Without delay and
   * without keys.
   */
  readonly after?: readonly Predecessor[];
  /** It takes turns with jobs of other groups, within the limits of its own. */
  readonly group?: string;
}

/** A job for which another one waits. */
export interface Predecessor {
  readonly queue: string;
  readonly id: string;
}

/** A key that one job has. */
export interface UniqueKey {
  readonly key: string;
  /** It has it so long; left out: until `unlock`, or a settle with its ties. */
  readonly seconds?: number;
  /** The job that has it is cancelled; else the new one is not stored. */
  readonly replace: boolean;
}

/** A job that is to be cancelled. */
export interface Cancellation {
  readonly id: string;
  /** From when on it may run, in milliseconds since 1970. */
  readonly dueMs: number;
  /** Stored as its outcome; left out: none is kept. */
  readonly outcome?: string;
  /** It was taken out of its queue: nobody is to look for it. */
  readonly gone?: true;
}

/** What programs that send jobs need of a broker. */
export interface JobStore {
  readonly updates: UpdateReader;
  readonly schedules: ScheduleStore;

  /**
   * Stores jobs, in order within each queue. Answers, entry by entry, with the
   * id under which the job is known: its own, or that of the job which has its
   * idempotency key or unique key.
   *
   * @throws {BrokerError} If it was refused for certain and nothing is stored.
   * @throws {EnqueueUncertainError} If some entries may be stored.
   */
  enqueue(entries: readonly Entry[]): Promise<string[]>;

  /**
   * The stored outcomes of jobs (see `job/outcome.ts`), `null` where there is
   * none yet or none any more.
   */
  results(queue: string, ids: readonly string[]): Promise<(string | null)[]>;

  /**
   * Calls `changed` after outcomes of jobs of one producer were stored, until
   * the returned resource is disposed. Resolves when nothing stored from now on
   * can be missed.
   */
  watchResults(
    queue: string,
    producer: string,
    changed: ResultsChanged,
  ): Promise<AsyncDisposable>;

  /**
   * Cancels jobs that have no outcome: whoever reserves one drops it, and a
   * worker that runs it stops it. `false` for those that have ended before.
   */
  cancel(queue: string, jobs: readonly Cancellation[]): Promise<boolean[]>;
}

/**
 * Hears of stored outcomes: the numbers `n` of the ids, or nothing if some may
 * have been missed (after a reconnect). Few short outcomes come along, in the
 * order of their numbers; others are to be read.
 */
export type ResultsChanged = (
  numbers?: readonly number[],
  outcomes?: readonly string[],
) => void;
