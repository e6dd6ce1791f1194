/**
 * What is set for a queue while it is served: whether it is paused, and its
 * limits.
 *
 * @module
 */

/** At most so many jobs in any period. */
export interface Rate {
  /** How many jobs. */
  readonly jobs: number;
  /** In how many milliseconds. */
  readonly perMs: number;
}

/** What limits let through; nothing: all. */
export interface Limit {
  /** Jobs that run, or are held by workers, at once. */
  readonly concurrency?: number;
  /** Jobs that workers get in a period. */
  readonly rate?: Rate;
}

/** The limits of a queue. */
export interface QueueLimits extends Limit {
  /** For each group of jobs that has none of its own. */
  readonly group?: Limit;
  /** For single groups. */
  readonly groups?: Readonly<Record<string, Limit>>;
}

/** How a queue is served. */
export interface QueueState {
  readonly paused: boolean;
  readonly limits: QueueLimits;
}

/** Sets and reads how queues are served, for all workers at once. */
export interface QueueControl {
  /** From now on nobody gets a job of this queue; what runs ends. */
  pause(queue: string): Promise<void>;
  /** The queue is served again. */
  resume(queue: string): Promise<void>;
  /** Replaces the limits of a queue; with `{}` there are none. */
  setLimits(queue: string, limits: QueueLimits): Promise<void>;
  /** How a queue is served. */
  state(queue: string): Promise<QueueState>;
}
