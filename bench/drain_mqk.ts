/**
 * A drain by the real program, `mqk run`, seen from outside.
 *
 * @module
 */
import type { RedisServer } from "../tests/harness/redis_server.ts";
import type { Check, Sample } from "./case.ts";
import {
  countedIn,
  cpuSecondsOf,
  JOBS,
  jobsLeft,
  MqkRun,
  outcomesStored,
  type Place,
} from "./mqk_run.ts";
import type { RedisUsage, Site } from "./site.ts";
import { queueName, sleep } from "./subjects/protocol.ts";

/** What is drained, and how. */
export interface Load {
  readonly count: number;
  readonly kept: boolean;
  readonly fast?: boolean;
  readonly workers?: number;
  readonly concurrency?: number;
  readonly queues?: number;
  readonly payloadBytes?: number;
  /** MQK: the job; its outcomes, or itself, are counted. */
  readonly job?: string;
  /** For others: how long a job waits. */
  readonly waitMs?: number;
}

/** Where it is drained from. */
export interface Store {
  readonly dsn: string;
  readonly places: readonly Place[];
}

/** A drain, with what each server used. */
export interface DrainSample extends Sample {
  /** CPU a job, of all jobs, in microseconds. */
  readonly redisCpu: ReadonlyMap<RedisServer, number>;
}

/** The names of the queues of a load. */
export function queueNames({ queues = 1 }: Pick<Load, "queues">): string[] {
  return Array.from({ length: queues }, (_, i) => queueName(i));
}

/** Redis use per job, over the drain and what came before it. */
export function usagePerJob(
  count: number,
  empty: RedisUsage,
  filled: RedisUsage,
  drained: RedisUsage,
  kept: boolean,
): Record<string, number> {
  return {
    redisCpu: (drained.cpuMicroseconds - filled.cpuMicroseconds) / count,
    waitingBytes: (filled.bytes - empty.bytes) / count,
    ...(kept ? { keptBytes: (drained.bytes - empty.bytes) / count } : {}),
  };
}

function sum(usages: readonly RedisUsage[]): RedisUsage {
  return usages.reduce((a, b) => ({
    cpuMicroseconds: a.cpuMicroseconds + b.cpuMicroseconds,
    bytes: a.bytes + b.bytes,
  }));
}

/** What was seen from outside. */
interface Drained {
  /** From the first settled job to the last. */
  readonly seconds: number;
  /** What the workers used meanwhile. */
  readonly cpuSeconds: number;
  readonly drained: number;
}

/** Looks on until no more than `until` jobs are left. */
export async function watchDrain(
  run: MqkRun,
  places: readonly Place[],
  count: number,
  until = 0,
): Promise<Drained> {
  const queues = places.reduce((sum, { queues }) => sum + queues.length, 0);
  // A look costs, the more places and queues there are: MQK pays for it.
  const everyMs = Math.max(16, queues / 4);
  let firstAt = performance.now();
  // From the first settled job on: the workers, and what they have used.
  let pids: number[] | undefined;
  let cpuBefore = 0;
  let cpuNow = 0;
  for (;;) {
    const left = await jobsLeft(places);
    const now = performance.now();
    if (left >= count) firstAt = now;
    else {
      const used = (pids ??= run.workerPids)
        .reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
      if (cpuBefore === 0) cpuBefore = used;
      // A worker that has ended already says nothing any more.
      if (used > cpuNow) cpuNow = used;
    }
    if (left <= until) {
      return {
        seconds: (now - firstAt) / 1000,
        cpuSeconds: cpuNow - cpuBefore,
        drained: count - left,
      };
    }
    if (run.ended) {
      await run.end();
      throw new Error(`mqk run ended, and ${left} of ${count} jobs are left`);
    }
    await sleep(everyMs);
  }
}

/** Fills the queues, drains them with the program, and counts what it left. */
export async function drainMqk(
  site: Site,
  load: Load,
  { dsn, places }: Store,
): Promise<DrainSample> {
  const count = site.jobs(load.count);
  const { kept, payloadBytes, queues = 1 } = load;
  const job = load.job ?? (kept ? undefined : JOBS.sum);
  const folder = site.folder();
  const servers = [...new Set(places.map(({ server }) => server))];
  const usages = () => Promise.all(servers.map((one) => site.usage(one)));
  const empty = await usages();
  await site.fill("mqk", { dsn, count, queues, payloadBytes, job, kept });
  const stored = await jobsLeft(places);
  const filled = await usages();
  const args = ["--burst", "-w", String(load.workers ?? 1)];
  if (load.fast) args.push("--fast");
  if (load.concurrency !== undefined) {
    args.push("--concurrency", String(load.concurrency));
  }
  for (const name of queueNames(load)) args.push("--queue", name);
  await using run = new MqkRun(site, dsn, args, { folder, jobs: count });
  const { seconds, cpuSeconds } = await watchDrain(run, places, count);
  const drained = await usages();
  const wholeSeconds = await run.end();
  const counted = kept ? await outcomesStored(places) : countedIn(folder);
  const checks: Check[] = [
    { what: "stored jobs", expected: count, counted: stored },
    { what: "jobs run", expected: count, counted },
  ];
  return {
    values: {
      rate: count / seconds,
      wholeSeconds,
      ...(Deno.build.os === "linux"
        ? { workerCpu: 1e6 * cpuSeconds / count }
        : {}),
      ...usagePerJob(count, sum(empty), sum(filled), sum(drained), kept),
    },
    checks,
    redisCpu: new Map(servers.map((server, i) => [
      server,
      (drained[i].cpuMicroseconds - filled[i].cpuMicroseconds) / count,
    ])),
  };
}
