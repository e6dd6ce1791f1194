/**
 * Schedules: jobs that are sent again and again, at times that are due. A
 * schedule lives with its queue, under a name that is unique there. The broker
 * keeps its definition and its next due time, and reads neither; who computes
 * due times is the program that defines it, then the workers.
 *
 * @module
 */
import type { Ties } from "../job/ties.ts";

/** A schedule as it is stored. */
export interface StoredSchedule {
  readonly queue: string;
  /** `[A-Za-z0-9_-]{1,64}`. */
  readonly name: string;
  /** See `encodeSchedule` in `job/schedule.ts`. */
  readonly definition: string;
  /** In milliseconds since 1970; `Infinity`: never again; none: it is paused. */
  readonly nextMs?: number;
}

/** What is known of a name, at a moment by the broker's clock. */
export interface FoundSchedule {
  readonly nowMs: number;
  readonly schedule?: StoredSchedule;
}

/** What programs need: they define schedules and look at them. */
export interface ScheduleStore {
  /** The schedule with this name, and what time it is. */
  find(queue: string, name: string): Promise<FoundSchedule>;

  /**
   * Stores a schedule, which also makes its queue known. One that has this
   * very definition stays as it is; of another one the next due time changes,
   * unless it is paused: it stays so.
   *
   * @throws {BrokerError} If it was refused.
   */
  define(schedule: StoredSchedule): Promise<void>;

  /** All schedules of a queue, or of all queues, sorted by queue and name. */
  list(queue?: string): Promise<StoredSchedule[]>;

  /** It is due no more until it is resumed. `false`: it is not there. */
  pause(queue: string, name: string): Promise<boolean>;

  /**
   * A paused schedule is due again, from `nextMs` on; if it is not paused,
   * nothing changes. `false`: it is not there any more with this definition.
   */
  resume(schedule: StoredSchedule, nextMs: number): Promise<boolean>;

  /** `false`: it is not there any more. */
  remove(queue: string, name: string): Promise<boolean>;
}

/** Schedules that are due, at a moment by the broker's clock. */
export interface DueSchedules {
  readonly nowMs: number;
  /** At most 100, of at most 1 MiB after the first; the oldest due time first. */
  readonly schedules: readonly StoredSchedule[];
}

/** What becomes of a schedule that is due. */
export interface Firing {
  /** As {@linkcode Schedules.due} answered it. */
  readonly schedule: StoredSchedule;
  /** The messages of its jobs, at most 100. */
  readonly messages: readonly string[];
  /** What these are tied to, one by one; left out: to nothing. */
  readonly ties?: readonly Ties[];
  /** Its next due time; `Infinity`: never again. */
  readonly nextMs: number;
}

/** What workers need as well: they send the jobs of what is due. */
export interface Schedules extends ScheduleStore {
  /** What is due in a queue; `Broker.reap` says when to ask. */
  due(queue: string): Promise<DueSchedules>;

  /**
   * Puts jobs of schedules at the end of ready, each in one step with the next
   * due time, and only if the schedule is as it was: of many that fire the
   * same due time a single one does. A job
   * whose unique key another one has is left out. Answers how many fired.
   *
   * @throws {BrokerError} If it was refused, e.g. because the store is full.
   */
  fire(queue: string, firings: readonly Firing[]): Promise<number>;
}
