import { existsSync } from "node:fs";
import { connect } from "../mod.ts";
import type { Case, Measurement, Sample, Target } from "./case.ts";
import { JOBS, MqkRun } from "./mqk_run.ts";
import type { SubjectName } from "./programs.ts";
import type { Site } from "./site.ts";
import { nowMs, sleep } from "./subjects/protocol.ts";

type Store = "redis" | "embedded";

function dsnOf(site: Site, store: Store): string {
  return store === "redis"
    ? site.redis.dsn
    : `sqlite:${site.folder()}/queue.sqlite`;
}

/** From the start of `mqk run` to the start of its first job. */
function firstJob(store: Store): Measurement {
  return async (site) => {
    const dsn = dsnOf(site, store);
    await using client = connect(dsn);
    const job = await client.invoke(JOBS.start);
    await using run = new MqkRun(site, dsn, ["-w", "1", "--burst"]);
    const startedMs = await job.result() as number;
    await run.end();
    return {
      values: { seconds: (startedMs - run.startedMs) / 1000 },
      checks: [{ what: "results", expected: 1, counted: 1 }],
    };
  };
}

function firstJobOfPeer(subject: SubjectName): Measurement {
  return async (site) => {
    const dsn = site.redis.dsn;
    await site.fill(subject, { dsn, count: 1 });
    const spawnedMs = nowMs();
    const { counted, firstMs } = await site.drain(subject, {
      ...{ dsn, count: 1, queues: 1, concurrency: 1, kept: true, waitMs: 0 },
    });
    return {
      values: { seconds: (firstMs - spawnedMs) / 1000 },
      checks: [{ what: "jobs run", expected: 1, counted }],
    };
  };
}

/** `mqk run --burst` on an empty queue, from its start to its end. */
function emptyBurst(store: Store): Measurement {
  return async (site) => {
    await using run = new MqkRun(site, dsnOf(site, store), [
      "-w",
      "1",
      "--burst",
    ]);
    return { values: { seconds: await run.end() }, checks: [] };
  };
}

/** The moments at which a job has noted that it started, when there are `n`. */
async function starts(path: string, n: number): Promise<number[]> {
  for (;;) {
    const lines = existsSync(path)
      ? Deno.readTextFileSync(path).split("\n").slice(0, -1)
      : [];
    if (lines.length >= n) return lines.map(Number);
    await sleep(5);
  }
}

/** From the death of a worker to the second start of the job that it ran. */
function recovery(whole: boolean): Measurement {
  return async (site) => {
    const { dsn } = site.redis;
    const path = `${site.folder()}/starts`;
    await using client = connect(dsn);
    const job = await client.invoke(JOBS.lasts, path);
    await using first = new MqkRun(site, dsn, ["-w", "1"]);
    await starts(path, 1);
    const killedMs = nowMs();
    if (whole) first.kill();
    else Deno.kill(first.workerPids[0], "SIGKILL");
    await using _second = whole ? new MqkRun(site, dsn, ["-w", "1"]) : null;
    const [, secondMs] = await starts(path, 2);
    await job.result();
    return {
      values: { seconds: (secondMs - killedMs) / 1000 },
      checks: [{
        what: "starts",
        expected: 2,
        counted: (await starts(path, 2)).length,
      }],
    };
  };
}

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

/** From the ttl of an endless loop to the end of the process that runs it. */
async function ttlFreesCpu(site: Site): Promise<Sample> {
  const ttl = 1;
  const path = `${site.folder()}/starts`;
  await using client = connect(site.redis.dsn);
  const job = await client.invoke({ job: JOBS.loops, ttl, retries: 0 }, path);
  await using run = new MqkRun(site, site.redis.dsn, ["-w", "1"]);
  const [startedMs] = await starts(path, 1);
  const [pid] = run.workerPids;
  while (isAlive(pid)) await sleep(5);
  const seconds = (nowMs() - startedMs) / 1000 - ttl;
  const failed = await job.result().then(() => 0, () => 1);
  return {
    values: { seconds },
    checks: [{ what: "failed jobs", expected: 1, counted: failed }],
  };
}

const SECONDS = { key: "seconds", label: "", unit: "s" } as const;
const NO_COMMAND = "has no such command";
const NOT_EMBEDDED = { bullmq: "has no embedded store" };

function ours(
  name: string,
  title: string,
  measurement: Measurement,
  options: {
    readonly target?: Target;
    readonly slow?: boolean;
    readonly missing?: Case["missing"];
  } = {},
): Case {
  const { target, slow, missing = {} } = options;
  return {
    name: `process/${name}`,
    title,
    figures: [{ ...SECONDS, target }],
    subjects: { mqk: measurement },
    missing: {
      limit: "runs no job",
      bullmq: NO_COMMAND,
      beeQueue: NO_COMMAND,
      ...missing,
    },
    slow,
  };
}

const STALLED = {
  bullmq: "looks for stalled jobs every 30 s",
  beeQueue: "looks for stalled jobs only if told to, after 5 s at the least",
};
const NO_TTL = "can't stop a job that blocks its thread";

/** What happens around jobs: start, death, ttl. */
export const PROCESS_CASES: readonly Case[] = [
  {
    name: "process/first-job",
    title: "start of the program to start of its first job",
    figures: [SECONDS],
    subjects: {
      mqk: firstJob("redis"),
      bullmq: firstJobOfPeer("bullmq"),
      beeQueue: firstJobOfPeer("beeQueue"),
    },
    missing: { limit: "runs no job" },
  },
  ours("first-job-embedded", "the same, embedded", firstJob("embedded"), {
    missing: { ...NOT_EMBEDDED, beeQueue: NOT_EMBEDDED.bullmq },
  }),
  ours(
    "empty-burst",
    "`mqk run -w 1 --burst`, empty queue",
    emptyBurst("redis"),
    {
      target: { value: 1 },
    },
  ),
  ours("empty-burst-embedded", "the same, embedded", emptyBurst("embedded"), {
    target: { value: 0.4 },
  }),
  ours(
    "kill",
    "`kill -9` of a worker to its job's next start",
    recovery(false),
    {
      target: { value: 1 },
      missing: STALLED,
    },
  ),
  ours("kill-all", "the same, of all processes", recovery(true), {
    target: { value: 15 },
    missing: STALLED,
    slow: true,
  }),
  ours("ttl", "ttl of an endless loop to its CPU freed", ttlFreesCpu, {
    target: { value: 1.5 },
    missing: { bullmq: NO_TTL, beeQueue: NO_TTL },
  }),
];
