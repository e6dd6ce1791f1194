import { ArgumentError } from "../errors.ts";
import { checkName } from "./policy.ts";

/**
 * At most so many jobs in any period.
 *
 * @example 100 a minute
 * ```ts
 * import type { LimitRate } from "@mqk/core";
 * const rate: LimitRate = { jobs: 100, per: 60 };
 * ```
 */
export interface LimitRate {
  /** How many jobs, from 1. */
  jobs: number;
  /** In how many seconds, 0.1 to 31 days. */
  per: number;
}

/**
 * What is let through at most. Left out: no limit.
 *
 * @example
 * ```ts
 * import type { GroupLimit } from "@mqk/core";
 * const gentle: GroupLimit = { concurrency: 2, rate: { jobs: 10, per: 1 } };
 * ```
 */
export interface GroupLimit {
  /** Jobs at once, from 1: those that workers have, all workers together. */
  concurrency?: number;
  /** Jobs that workers get in a period; each attempt counts. */
  rate?: LimitRate;
}

/**
 * The limits of a queue, for all its workers together.
 *
 * @example Each tenant one job at a time, a large one four
 * ```ts
 * import { connect, type Limits } from "@mqk/core";
 * const limits: Limits = {
 *   concurrency: 50,
 *   group: { concurrency: 1 },
 *   groups: { "tenant-7": { concurrency: 4 } },
 * };
 * await using client = connect();
 * await client.queue("reports").setLimits(limits);
 * ```
 */
export interface Limits extends GroupLimit {
  /** For each group that has none of its own below. */
  group?: GroupLimit;
  /** For single groups. */
  groups?: Record<string, GroupLimit>;
}

const MAX_PERIOD_SECONDS = 31 * 86_400;

/**
 * Checks limits.
 *
 * @throws {ArgumentError} Naming what was given and what is required.
 */
export function checkLimits(limits: Limits): void {
  if (typeof limits !== "object" || limits === null) {
    throw new ArgumentError("Cannot take these limits: they must be an object");
  }
  const { group, groups = {}, ...own } = limits;
  checkLimit(own, "");
  if (group !== undefined) checkLimit(group, "group.");
  for (const [name, limit] of Object.entries(groups)) {
    checkName(name, "group");
    checkLimit(limit, `groups.${name}.`);
  }
}

function checkLimit(limit: GroupLimit, at: string): void {
  if (typeof limit !== "object" || limit === null) {
    throw new ArgumentError(
      `Cannot take limit ${at.slice(0, -1)} ${JSON.stringify(limit)}: ` +
        "it must be an object",
    );
  }
  const { concurrency, rate, ...rest } = limit;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new ArgumentError(
      `Cannot take limit ${at}${unknown}: there is no such limit`,
    );
  }
  check(concurrency, `${at}concurrency`, "a whole number from 1", isCount);
  if (rate === undefined) return;
  check(rate?.jobs ?? 0, `${at}rate.jobs`, "a whole number from 1", isCount);
  check(
    rate?.per ?? 0,
    `${at}rate.per`,
    "0.1 to 31 days, in seconds",
    (n) => n >= 0.1 && n <= MAX_PERIOD_SECONDS,
  );
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

function check(
  value: number | undefined,
  name: string,
  required: string,
  fits: (value: number) => boolean,
): void {
  if (value === undefined || typeof value === "number" && fits(value)) return;
  throw new ArgumentError(
    `Cannot take limit ${name} ${
      JSON.stringify(value)
    }: it must be ${required}`,
  );
}
