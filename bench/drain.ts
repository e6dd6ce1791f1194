import { QueueKeys } from "../src/broker/redis/keys.ts";
import { encodeMessage } from "../src/job/message.ts";
import { DEFAULT_RETRIES, DEFAULT_TTL_SECONDS } from "../src/job/policy.ts";
import type { Case, Check, Figure, Measurement, Sample } from "./case.ts";
import {
  countedIn,
  cpuSecondsOf,
  JOBS,
  jobsLeft,
  MqkRun,
  outcomesStored,
} from "./mqk_run.ts";
import type { SubjectName } from "./programs.ts";
import type { RedisUsage, Site } from "./site.ts";
import { queueName, sleep } from "./subjects/protocol.ts";

/** What is drained, and how. */
interface Load {
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

/** Where a subject keeps what has ended. */
const ENDED: Partial<Record<SubjectName, string[]>> = {
  bullmq: ["ZCARD", "bull:default:completed"],
  beeQueue: ["SCARD", "bq:default:succeeded"],
};

function queueNames(load: Load): string[] {
  return Array.from({ length: load.queues ?? 1 }, (_, i) => queueName(i));
}

/** Redis use per job, over the drain and what came before it. */
function usage(
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

/** A peer, or the bare client: counts from inside. */
function drainProgram(subject: SubjectName, load: Load): Measurement {
  return async (site) => {
    const count = site.jobs(load.count);
    const { kept, fast, workers = 1, queues = 1, payloadBytes } = load;
    const dsn = site.redis.dsn;
    const empty = await site.usage();
    const { counted: stored } = await site.fill(subject, {
      ...{ dsn, count, queues, payloadBytes, kept },
    });
    const filled = await site.usage();
    const { counted, seconds, cpuSeconds } = await site.drain(subject, {
      ...{ dsn, count, queues, kept, fast },
      concurrency: load.concurrency ?? 100,
      waitMs: load.waitMs ?? 0,
    }, workers);
    const drained = await site.usage();
    const checks: Check[] = [
      { what: "stored jobs", expected: count, counted: stored },
      { what: "jobs run", expected: count, counted },
    ];
    const ended = ENDED[subject];
    if (ended !== undefined && queues === 1) {
      checks.push({
        what: "kept jobs",
        expected: kept ? count : 0,
        counted: Number(await site.redis.call(...ended)),
      });
    }
    return {
      values: {
        rate: counted / seconds,
        workerCpu: 1e6 * cpuSeconds / counted,
        ...usage(count, empty, filled, drained, kept),
      },
      checks,
    };
  };
}

/** A drain of the real program, seen from outside. */
interface Drained {
  /** From the first settled job to the last. */
  readonly seconds: number;
  /** What the workers used meanwhile. */
  readonly cpuSeconds: number;
  readonly drained: number;
}

/** Looks on until no more than `until` jobs are left. */
export async function watchDrain(
  site: Site,
  run: MqkRun,
  queues: readonly string[],
  count: number,
  until = 0,
): Promise<Drained> {
  // A look at many queues costs Redis more.
  const everyMs = Math.max(4, queues.length / 4);
  let firstAt = performance.now();
  // From the first settled job on: the workers, and what they have used.
  let pids: number[] | undefined;
  let cpuBefore = 0;
  let cpuNow = 0;
  for (;;) {
    const left = await jobsLeft(site, queues);
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

/** MQK: the real program; counts what it left. */
function drainMqk(load: Load): Measurement {
  return async (site) => {
    const count = site.jobs(load.count);
    const { kept, payloadBytes, queues = 1 } = load;
    const job = load.job ?? (kept ? undefined : JOBS.sum);
    const names = queueNames(load);
    const folder = site.folder();
    const dsn = site.redis.dsn;
    const empty = await site.usage();
    await site.fill("mqk", { dsn, count, queues, payloadBytes, job, kept });
    const stored = await jobsLeft(site, names);
    const filled = await site.usage();
    const args = ["--burst", "-w", String(load.workers ?? 1)];
    if (load.fast) args.push("--fast");
    if (load.concurrency !== undefined) {
      args.push("--concurrency", String(load.concurrency));
    }
    for (const name of names) args.push("--queue", name);
    await using run = new MqkRun(site, dsn, args, folder);
    const { seconds, cpuSeconds } = await watchDrain(site, run, names, count);
    const drained = await site.usage();
    const wholeSeconds = await run.end();
    const counted = kept
      ? await outcomesStored(site, names)
      : countedIn(folder);
    return {
      values: {
        rate: count / seconds,
        wholeSeconds,
        ...(Deno.build.os === "linux"
          ? { workerCpu: 1e6 * cpuSeconds / count }
          : {}),
        ...usage(count, empty, filled, drained, kept),
      },
      checks: [
        { what: "stored jobs", expected: count, counted: stored },
        { what: "jobs run", expected: count, counted },
      ],
    };
  };
}

const RATE: Figure = {
  key: "rate",
  label: "",
  unit: "/s",
  higherIsBetter: true,
};
const REDIS_CPU: Figure = {
  key: "redisCpu",
  label: "Redis CPU a job",
  unit: "µs",
};

const WORKER_CPU: Figure = {
  key: "workerCpu",
  label: "worker CPU a job",
  unit: "µs",
};

function drainCase(
  name: string,
  title: string,
  figures: readonly Figure[],
  load: Load & { readonly peerCount: number },
  missing: Case["missing"] = {},
): Case {
  const peer = { ...load, count: load.peerCount };
  const subjects: Record<SubjectName, Measurement> = {
    mqk: drainMqk(load),
    limit: drainProgram("limit", load),
    bullmq: drainProgram("bullmq", peer),
    beeQueue: drainProgram("beeQueue", peer),
  };
  for (const subject of Object.keys(missing)) {
    delete subjects[subject as SubjectName];
  }
  return { name: `drain/${name}`, title, figures, subjects, missing };
}

const DEEP = 10_000_000;
const PUSH_MANY = `
local messages = {}
for i = 1, 1000 do
  messages[i] = string.gsub(ARGV[1], '<n>', string.format('%d', ARGV[2] + i))
end
redis.call('RPUSH', KEYS[1], unpack(messages))`;

/** The first 300,000 of 10 million jobs, made inside Redis. */
async function drainDeep(site: Site): Promise<Sample> {
  const count = site.jobs(DEEP / 1000) * 1000;
  const { ready, queue } = new QueueKeys(queueName(0));
  const message = encodeMessage({
    id: "tenMillion.<n>",
    job: "mqk:calculator#sum",
    args: [1, 2],
    ttl: DEFAULT_TTL_SECONDS,
    retries: DEFAULT_RETRIES,
    backoff: "exponential",
    attempt: 1,
    result: true,
  });
  for (let n = 0; n < count; n += 1000) {
    await site.redis.call("EVAL", PUSH_MANY, 1, ready, message, n);
  }
  const until = count - site.jobs(300_000);
  await using run = new MqkRun(site, site.redis.dsn, ["-w", "1"]);
  const { seconds, drained } = await watchDrain(
    ...[site, run, [queue], count, until] as const,
  );
  run.stop();
  await run.end();
  const left = await jobsLeft(site, [queue]);
  return {
    values: { rate: drained / seconds },
    checks: [{
      what: "jobs run and jobs left",
      expected: count,
      counted: left + await outcomesStored(site, [queue]),
    }],
  };
}

const NO_FAST_MODE = "has no mode that runs a job at most once";
const ONE_QUEUE = "measured with one queue only";
const TOO_LONG = "would take longer than the whole benchmark";
const ONE_PROCESS = "measured with one worker only";

/** How fast workers empty queues in Redis. */
export const DRAIN_CASES: readonly Case[] = [
  drainCase("results", "drain, at least once, results", [
    { ...RATE, target: { value: 200_000, bullmq: 20, share: 0.6 } },
    { ...REDIS_CPU, target: { value: 6, bullmq: 15 } },
    WORKER_CPU,
    {
      key: "waitingBytes",
      label: "Redis memory a waiting job",
      unit: "bytes",
      target: { value: 110, bullmq: 1, beeQueue: 1 },
    },
    {
      key: "keptBytes",
      label: "Redis memory a kept result",
      unit: "bytes",
      target: { value: 20 },
    },
    {
      key: "wholeSeconds",
      label: "whole process, 300,000 jobs",
      unit: "s",
      missing: "is no program of its own",
    },
  ], { count: 300_000, peerCount: 20_000, kept: true }),
  drainCase("no-results", "drain, at least once, no results", [
    { ...RATE, target: { value: 200_000 } },
    REDIS_CPU,
    WORKER_CPU,
  ], { count: 300_000, peerCount: 20_000, kept: false }),
  drainCase(
    "fast",
    "drain, fast mode, no results",
    [{ ...RATE, target: { value: 220_000 } }, REDIS_CPU, WORKER_CPU],
    { count: 300_000, peerCount: 0, kept: false, fast: true },
    { bullmq: NO_FAST_MODE, beeQueue: NO_FAST_MODE },
  ),
  drainCase("10KiB", "drain, results, arguments of 10 KiB", [
    RATE,
    REDIS_CPU,
    WORKER_CPU,
  ], {
    count: 20_000,
    peerCount: 5_000,
    kept: true,
    payloadBytes: 10_240,
  }),
  drainCase(
    "wait-5ms",
    "drain, jobs that wait 5 ms, 100 at once",
    [RATE],
    {
      count: 30_000,
      peerCount: 10_000,
      kept: false,
      concurrency: 100,
      job: JOBS.wait,
      waitMs: 5,
    },
    { limit: "runs no job" },
  ),
  drainCase("2-workers", "drain, results, 2 workers", [RATE], {
    count: 300_000,
    peerCount: 20_000,
    kept: true,
    workers: 2,
  }, { limit: ONE_PROCESS }),
  drainCase("4-workers", "drain, results, 4 workers", [RATE], {
    count: 300_000,
    peerCount: 20_000,
    kept: true,
    workers: 4,
  }, { limit: ONE_PROCESS }),
  drainCase("100-queues", "drain, results, 100 queues", [RATE], {
    count: 200_000,
    peerCount: 20_000,
    kept: true,
    queues: 100,
    concurrency: 10,
  }, { limit: ONE_QUEUE }),
  drainCase("1000-queues", "drain, results, 1,000 queues", [RATE], {
    count: 300_000,
    peerCount: 0,
    kept: true,
    queues: 1000,
  }, { limit: ONE_QUEUE, bullmq: TOO_LONG, beeQueue: TOO_LONG }),
  {
    name: "drain/10-million",
    title: "drain, results, the first of 10,000,000",
    figures: [RATE],
    subjects: { mqk: drainDeep },
    missing: {
      limit: "as with few jobs",
      bullmq: TOO_LONG,
      beeQueue: TOO_LONG,
    },
    slow: true,
  },
];
