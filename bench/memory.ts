import type { Case, Measurement, Sample } from "./case.ts";
import { MqkRun } from "./mqk_run.ts";
import type { SubjectName } from "./programs.ts";
import type { Site } from "./site.ts";
import { sleep } from "./subjects/protocol.ts";

const KIB = 1024;
const IDLE_MS = 1500;

/** Memory of a process in bytes; what it shares with others is divided. */
function proportionalBytes(pid: number): number {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  } catch {
    return 0;
  }
  return KIB * Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}

/** Waits until so many workers have reported. */
async function workersReady(site: Site, count: number): Promise<number> {
  for (;;) {
    const keys = await site.redis.call("KEYS", "mqk:worker:*") as string[];
    if (keys.length >= count) return keys.length;
    await sleep(50);
  }
}

async function idleWorker(site: Site): Promise<Sample> {
  await using run = new MqkRun(site, site.redis.dsn, ["-w", "1"]);
  const ready = await workersReady(site, 1);
  await sleep(IDLE_MS);
  const pids = run.workerPids;
  return {
    values: { megabytes: proportionalBytes(pids[0]) / 1e6 },
    checks: [{ what: "workers", expected: 1, counted: ready }],
  };
}

function idlePeer(subject: SubjectName): Measurement {
  return async (site) => {
    await using server = await site.programs.start(subject, {
      action: "serve",
      dsn: site.redis.dsn,
    });
    await server.ready();
    await sleep(IDLE_MS);
    const megabytes = proportionalBytes(server.pid) / 1e6;
    return { values: { megabytes }, checks: [] };
  };
}

async function hundredWorkers(site: Site): Promise<Sample> {
  await using run = new MqkRun(site, site.redis.dsn, ["-w", "100"]);
  const ready = await workersReady(site, 100);
  const seconds = (performance.timeOrigin + performance.now() - run.startedMs) /
    1000;
  await sleep(IDLE_MS);
  const bytes = [run.pid, ...run.workerPids].map(proportionalBytes)
    .reduce((sum, one) => sum + one, 0);
  return {
    values: { seconds, megabytes: bytes / 1e6 },
    checks: [{ what: "workers", expected: 100, counted: ready }],
  };
}

const NO_WORKERS = "leaves starting processes to its user";
const LINUX = "only Linux says how much memory processes share";
const onLinux = Deno.build.os === "linux";

/** What workers take while they do nothing. */
export const MEMORY_CASES: readonly Case[] = [
  {
    name: "memory/idle-worker",
    title: "one idle worker process",
    figures: [{ key: "megabytes", label: "memory", unit: "MB" }],
    subjects: onLinux
      ? {
        mqk: idleWorker,
        bullmq: idlePeer("bullmq"),
        beeQueue: idlePeer("beeQueue"),
      }
      : {},
    missing: onLinux
      ? { limit: "is no worker" }
      : { mqk: LINUX, limit: LINUX, bullmq: LINUX, beeQueue: LINUX },
  },
  {
    name: "memory/100-workers",
    title: "`mqk run -w 100`, idle",
    figures: [
      {
        key: "seconds",
        label: "until all are ready",
        unit: "s",
        target: { value: 40 },
      },
      ...(onLinux
        ? [{
          key: "megabytes",
          label: "memory of all",
          unit: "MB" as const,
          target: { value: 6000 },
        }]
        : []),
    ],
    subjects: { mqk: hundredWorkers },
    missing: {
      limit: "is no worker",
      bullmq: NO_WORKERS,
      beeQueue: NO_WORKERS,
    },
    slow: true,
  },
];
