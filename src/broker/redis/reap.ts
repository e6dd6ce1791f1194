import { LEASE_TICKS, type Reaped, TICK_MS } from "../broker.ts";
import type { Limits } from "../limits.ts";
import type { QueueKeys } from "./keys.ts";
import type { ScriptRunner } from "./scripts.ts";

/** What a step saw; and the result buckets that have expired. */
export interface RedisReaped extends Reaped {
  /** Name, last write, name, last write, ... */
  readonly expired: string[];
  /** Jobs that wait so long for others that these are to be looked at. */
  readonly blocked: string[];
  /** How many jobs have ended for which others wait. */
  readonly arrivals: number;
}

/** See `Broker.reap`. */
export async function reap(
  runner: ScriptRunner,
  { resultAgeMs, failedAgeMs }: Limits,
  keys: QueueKeys,
): Promise<RedisReaped> {
  const [
    advanced,
    more,
    suspects,
    lapsed,
    expired,
    blocked,
    arrivals,
    due,
  ] = await runner.run(
    "reap",
    [
      keys.meta,
      keys.workers,
      keys.scheduled,
      keys.retry,
      keys.lone,
      keys.ready,
      keys.suspect,
      keys.crashed,
      keys.inbox,
      keys.failed,
      keys.buckets,
      keys.groups,
      keys.ring,
      keys.groupDue,
      keys.cancelled,
      keys.cancelledUntil,
      keys.blockedDue,
      keys.arrivals,
      keys.scheduleDue,
    ],
    [TICK_MS, LEASE_TICKS, resultAgeMs, failedAgeMs].map(String),
  ) as [number, number, number, string[], string[], string[], number, number];
  return {
    advanced: advanced === 1,
    more: more === 1,
    suspects,
    lapsed,
    expired,
    blocked,
    arrivals,
    schedulesDue: due > 0,
  };
}
