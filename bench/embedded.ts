import { DatabaseSync } from "node:sqlite";
import { openBroker } from "../src/broker/open.ts";
import type { Case, Measurement, Sample } from "./case.ts";
import { roundTrips } from "./latency.ts";
import { MqkRun } from "./mqk_run.ts";
import type { Site } from "./site.ts";
import { sleep } from "./subjects/protocol.ts";

const NO_FILE = "has no embedded store";
const MISSING: Case["missing"] = {
  limit: "the store is no server",
  bullmq: NO_FILE,
  beeQueue: NO_FILE,
};

/** A new file, as its path and its DSN. */
function newFile(site: Site): { path: string; dsn: string } {
  const path = `${site.folder()}/queue.sqlite`;
  return { path, dsn: `sqlite:${path}` };
}

/** Reads one number from the file, past the broker. */
function readNumber(path: string, sql: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(Object.values(database.prepare(sql).get() ?? { n: 0 })[0]);
  } finally {
    database.close();
  }
}

async function enqueue(site: Site): Promise<Sample> {
  const { path, dsn } = newFile(site);
  const count = site.jobs(100_000);
  const { rate } = await site.fill("mqk", { dsn, count });
  return {
    values: { rate },
    checks: [{
      what: "waiting jobs",
      expected: count,
      counted: readNumber(path, "SELECT count(*) FROM waiting"),
    }],
  };
}

function drain(workers: number): Measurement {
  return async (site) => {
    const { path, dsn } = newFile(site);
    const count = site.jobs(100_000);
    await site.fill("mqk", { dsn, count });
    await using run = new MqkRun(site, dsn, ["--burst", "-w", String(workers)]);
    const seconds = await watch(dsn, run, count);
    await run.end();
    return {
      values: { rate: count / seconds },
      checks: [{
        what: "results",
        expected: count,
        counted: readNumber(path, "SELECT results FROM queue"),
      }],
    };
  };
}

/** From the first settled job to the last, seen from outside. */
async function watch(
  dsn: string,
  run: MqkRun,
  count: number,
): Promise<number> {
  await using broker = await openBroker(dsn);
  for (let firstAt = performance.now();;) {
    const [{ ready, held }] = await broker.counts(["default"]);
    const now = performance.now();
    if (ready + held >= count) firstAt = now;
    if (ready + held === 0) return (now - firstAt) / 1000;
    if (run.ended) {
      await run.end();
      throw new Error(`mqk run ended with ${ready + held} jobs left`);
    }
    await sleep(10);
  }
}

async function latency(site: Site): Promise<Sample> {
  const { dsn } = newFile(site);
  await using _run = new MqkRun(site, dsn, ["-w", "1"]);
  return await roundTrips(site, "mqk", dsn);
}

/** The broker that is a file. */
export const EMBEDDED_CASES: readonly Case[] = [
  {
    name: "embedded/enqueue",
    title: "embedded: enqueue, 1,000 a call",
    figures: [
      {
        ...{ key: "rate", label: "", unit: "/s", higherIsBetter: true },
        target: { value: 150_000 },
      },
    ],
    subjects: { mqk: enqueue },
    missing: MISSING,
  },
  {
    name: "embedded/drain",
    title: "embedded: drain, results",
    figures: [
      {
        ...{ key: "rate", label: "", unit: "/s", higherIsBetter: true },
        target: { value: 60_000 },
      },
    ],
    subjects: { mqk: drain(1) },
    missing: MISSING,
  },
  {
    name: "embedded/latency",
    title: "embedded: one job, an idle worker",
    figures: [
      {
        key: "pickUp50",
        label: "push to start, p50",
        unit: "ms",
        target: { value: 5 },
      },
      { key: "pickUp99", label: "push to start, p99", unit: "ms" },
      {
        key: "roundTrip50",
        label: "invoke and result, p50",
        unit: "ms",
        target: { value: 5 },
      },
      { key: "roundTrip99", label: "invoke and result, p99", unit: "ms" },
    ],
    subjects: { mqk: latency },
    missing: MISSING,
  },
];
