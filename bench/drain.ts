import { QueueKeys } from "../src/broker/redis/keys.ts";
import { encodeMessage } from "../src/job/message.ts";
import { DEFAULT_RETRIES, DEFAULT_TTL_SECONDS } from "../src/job/policy.ts";
import type { Case, Check, Figure, Measurement, Sample } from "./case.ts";
import {
  drainMqk,
  type Load,
  queueNames,
  usagePerJob,
  watchDrain,
} from "./drain_mqk.ts";
import { JOBS, jobsLeft, MqkRun, outcomesStored } from "./mqk_run.ts";
import type { SubjectName } from "./programs.ts";
import type { Site } from "./site.ts";
import { queueName } from "./subjects/protocol.ts";

/** Where a subject keeps what has ended. */
const ENDED: Partial<Record<SubjectName, string[]>> = {
  bullmq: ["ZCARD", "bull:default:completed"],
  beeQueue: ["SCARD", "bq:default:succeeded"],
};

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
        ...usagePerJob(count, empty, filled, drained, kept),
      },
      checks,
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
    mqk: (site) => {
      const queues = queueNames(load);
      const { redis } = site;
      const places = [{ server: redis, queues }];
      return drainMqk(site, load, { dsn: redis.dsn, places });
    },
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
for i = 1, 1000 do messages[i] = ARGV[1] .. ARGV[2] + i .. ARGV[3] end
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
  const [before, after] = message.split("<n>");
  for (let n = 0; n < count; n += 1000) {
    await site.redis.call("EVAL", PUSH_MANY, 1, ready, before, n, after);
  }
  const until = count - site.jobs(300_000);
  await using run = new MqkRun(site, site.redis.dsn, ["-w", "1"]);
  const places = [{ server: site.redis, queues: [queue] }];
  const { seconds, drained } = await watchDrain(run, places, count, until);
  run.stop();
  await run.end();
  const left = await jobsLeft(places);
  return {
    values: { rate: drained / seconds },
    checks: [{
      what: "jobs run and jobs left",
      expected: count,
      counted: left + await outcomesStored(places),
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
    count: 15_000,
    peerCount: 5_000,
    kept: true,
    payloadBytes: 10_240,
  }),
  drainCase(
    "wait-5ms",
    "drain, jobs that wait 5 ms, 100 at once",
    [RATE],
    {
      count: 25_000,
      peerCount: 5_000,
      kept: false,
      concurrency: 100,
      job: JOBS.wait,
      waitMs: 5,
    },
    { limit: "runs no job" },
  ),
  drainCase("2-workers", "drain, results, 2 workers", [RATE], {
    count: 300_000,
    peerCount: 10_000,
    kept: true,
    workers: 2,
  }, { limit: ONE_PROCESS }),
  drainCase("4-workers", "drain, results, 4 workers", [RATE], {
    count: 300_000,
    peerCount: 10_000,
    kept: true,
    workers: 4,
  }, { limit: ONE_PROCESS }),
  drainCase("100-queues", "drain, results, 100 queues", [RATE], {
    count: 200_000,
    peerCount: 10_000,
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
