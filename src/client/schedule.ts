import type { ScheduleSpec } from "../job/schedule.ts";
import type { Job } from "./job.ts";

/**
 * A schedule in the store, as it was when it was looked up. Its methods act on
 * the schedule of this name and queue as it is now.
 *
 * @example
 * ```ts
 * import { connect } from "@mqk/core";
 * await using client = connect();
 * for (const schedule of await client.schedules()) {
 *   console.log(schedule.name, schedule.nextAt);
 *   if (schedule.name.startsWith("old-")) await schedule.delete();
 * }
 * ```
 */
export interface Schedule {
  /** Unique in its queue. */
  readonly name: string;
  /** Its jobs' queue. */
  readonly queue: string;
  /**
   * What it was defined with, and defaults.
   *
   * @throws {BrokerError} If a later version of this program defined it.
   */
  readonly spec: ScheduleSpec;
  /** Its next due time; none if it is paused or never due again. */
  readonly nextAt: Date | undefined;
  /** Whether it has no due times until it is resumed. */
  readonly paused: boolean;

  /** It gets no job until it is resumed. `false`: it is not there any more. */
  pause(): Promise<boolean>;

  /**
   * Goes on with the next due time from now; what was due meanwhile is not
   * made up for. `false`: it is not there any more.
   */
  resume(): Promise<boolean>;

  /** Sends one job more, beside those of the due times. */
  runNow(): Promise<Job>;

  /**
   * Removes it; jobs that it has sent stay. `false`: it is not there any more.
   */
  delete(): Promise<boolean>;
}
