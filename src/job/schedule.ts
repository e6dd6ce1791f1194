import { ArgumentError } from "../errors.ts";
import { encodeArguments } from "./arguments.ts";
import { DueTimes, type Missed, type Timing } from "./due_times.ts";
import {
  encodeWithArguments,
  MAX_MESSAGE_BYTES,
  type Message,
} from "./message.ts";
import {
  checkPolicy,
  DEFAULT_RETRIES,
  DEFAULT_TTL_SECONDS,
  type JobSpec,
} from "./policy.ts";
import { parseReference } from "./reference.ts";
import { chosenKey } from "./unique.ts";

/**
 * A job and when it is due: by `cron`, or `every` so many seconds. A number is
 * seconds.
 *
 * @example
 * ```ts
 * import { schedule, type ScheduleSpec } from "@mqk/core";
 * const spec: ScheduleSpec = {
 *   job: "./jobs/report.ts#make",
 *   args: ["daily"],
 *   cron: "0 3 * * *",
 *   timeZone: "Europe/Berlin",
 *   retries: 10,
 * };
 * await schedule("nightly", spec);
 * ```
 */
export interface ScheduleSpec<
  Args extends readonly unknown[] = readonly unknown[],
> extends
  Omit<
    JobSpec,
    "delay" | "at" | "idempotencyKey" | "after" | "onFailure"
  > {
  /** The function's arguments. Default: none. */
  args?: Readonly<Args>;
  /**
   * Minute, hour, day of the month, month and day of the week, as in crontab;
   * with a sixth field in front, seconds. Or a nickname as `@daily`.
   */
  cron?: string;
  /** Whose clocks `cron` goes by: `"Europe/Berlin"`. Default `"UTC"`. */
  timeZone?: string;
  /** Instead of `cron`: whole seconds from one to the next, 1 to 366 days. */
  every?: number;
  /**
   * What becomes of due times when no worker was there for more than 15
   * seconds: one job for the `"last"`, a job for `"all"`, or for `"none"`.
   * Default `"last"`.
   */
  missed?: "last" | "all" | "none";
}

/** A schedule as it is stored, read. */
export interface ScheduleDefinition
  extends Timing, Omit<Message, "id" | "uid" | "attempt" | "sentMs"> {}

const MAX_EVERY_SECONDS = 366 * 86_400;
const MISSED: readonly Missed[] = ["last", "all", "none"];
const NO_POLICY = [
  "delay",
  "at",
  "idempotencyKey",
  "after",
  "onFailure",
] as const;

/**
 * The stored form of a schedule: JSON without the fields that have their
 * default, so that the same schedule is always the same text.
 *
 * @throws {ArgumentError} If something in it can't be used, or it is never due.
 */
export function encodeSchedule(spec: ScheduleSpec): string {
  if (typeof spec !== "object" || spec === null) {
    throw new ArgumentError("Cannot use this schedule: it must be an object");
  }
  checkPolicy(spec);
  const refused = NO_POLICY.find((field) =>
    (spec as JobSpec)[field] !== undefined
  );
  if (refused !== undefined) {
    throw new ArgumentError(`Cannot take ${refused} in a schedule`);
  }
  const { unique, group } = spec;
  const isKept = unique === undefined ||
    typeof unique.for !== "number" && unique.onConflict !== "replace";
  if (!isKept) {
    throw new ArgumentError(
      'Cannot take this unique in a schedule: for must be "running" or ' +
        '"waiting", and onConflict "keep"',
    );
  }
  parseReference(spec.job);
  checkTiming(spec);
  const { cron, timeZone, every, missed = "last", ttl, retries } = spec;
  const { backoff, result = true } = spec;
  const times = new DueTimes({ cron, timeZone, every, missed });
  if (times.nextMs(Date.now()) === undefined) {
    throw new ArgumentError(
      `Cannot use cron ${JSON.stringify(cron)}: no such time ever comes`,
    );
  }
  const args = encodeArguments(spec.args ?? []);
  const text = JSON.stringify({
    v: 1,
    cron,
    timeZone,
    every,
    missed: missed === "last" ? undefined : missed,
    job: spec.job,
    args: JSON.parse(args),
    ttl: ttl === DEFAULT_TTL_SECONDS ? undefined : ttl,
    retries: retries === DEFAULT_RETRIES ? undefined : retries,
    backoff: backoff === "exponential" ? undefined : backoff,
    result: result ? undefined : false,
    unique: unique && chosenKey(unique, spec.job, args),
    group,
  });
  if (new TextEncoder().encode(text).length > MAX_MESSAGE_BYTES / 2) {
    throw new ArgumentError(
      "Cannot use this schedule: it must be at most 512 KiB with its arguments",
    );
  }
  return text;
}

/**
 * Reads what {@linkcode encodeSchedule} wrote.
 *
 * @throws {Error} If it was not that, or a later version of it.
 */
export function decodeSchedule(text: string): ScheduleDefinition {
  const { v, ...fields } = JSON.parse(text);
  if (v !== 1) throw new Error(`it has version ${v}, this program reads 1`);
  const definition: ScheduleDefinition = {
    ttl: DEFAULT_TTL_SECONDS,
    retries: DEFAULT_RETRIES,
    backoff: "exponential",
    result: true,
    missed: "last",
    ...fields,
  };
  checkTiming(definition);
  return definition;
}

/** The spec of which a stored schedule was made. */
export function specOf(
  { args, unique, after: _, onFailure: _none, ...fields }: ScheduleDefinition,
  queue: string,
): ScheduleSpec {
  return {
    ...fields,
    args,
    queue,
    ...(unique && {
      unique: {
        key: unique.key,
        for: unique.until === "start" ? "waiting" : "running",
      },
    }),
  };
}

/** The message of a schedule's job for one due time. */
export function scheduledMessage(
  definition: ScheduleDefinition,
  name: string,
  dueMs: number,
): string {
  return encodeWithArguments({
    ...definition,
    id: `${name}.${dueMs}`,
    attempt: 1,
    sentMs: Date.now(),
  }, JSON.stringify(definition.args));
}

function checkTiming({ cron, timeZone, every, missed }: ScheduleSpec): void {
  if ((cron === undefined) === (every === undefined)) {
    throw new ArgumentError(
      "Cannot say when the schedule is due: give either cron or every",
    );
  }
  if (
    every !== undefined &&
    !(Number.isInteger(every) && every >= 1 && every <= MAX_EVERY_SECONDS)
  ) {
    throw new ArgumentError(
      `Cannot take every ${JSON.stringify(every)}: it must be a whole number ` +
        "from 1 second to 366 days, in seconds",
    );
  }
  if (every !== undefined && timeZone !== undefined) {
    throw new ArgumentError("Cannot take timeZone with every: it needs cron");
  }
  if (missed !== undefined && !MISSED.includes(missed)) {
    throw new ArgumentError(
      `Cannot take missed ${JSON.stringify(missed)}: ` +
        'it must be "last", "all" or "none"',
    );
  }
}
