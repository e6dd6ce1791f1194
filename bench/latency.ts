import type { Case, Measurement, Sample } from "./case.ts";
import { JOBS, MqkRun } from "./mqk_run.ts";
import type { SubjectName } from "./programs.ts";
import type { Site } from "./site.ts";
import { median, percentile } from "./statistics.ts";

const ROUND_TRIPS = 400;

/** Sends jobs to a worker that runs already. */
export async function roundTrips(
  site: Site,
  subject: SubjectName,
  dsn: string,
): Promise<Sample> {
  const count = site.jobs(ROUND_TRIPS);
  const { pickUpMs, roundTripMs } = await site.programs.obey(subject, {
    ...{ action: "round-trips", dsn, count, job: JOBS.start } as const,
  });
  return {
    values: {
      pickUp50: median(pickUpMs),
      pickUp99: percentile(pickUpMs, 99),
      roundTrip50: median(roundTripMs),
      roundTrip99: percentile(roundTripMs, 99),
    },
    checks: [{
      what: "results",
      expected: count,
      counted: roundTripMs.length,
    }],
  };
}

function throughProgram(subject: SubjectName): Measurement {
  return async (site) => {
    const dsn = site.redis.dsn;
    await using server = await site.programs.start(subject, {
      action: "serve",
      dsn,
    });
    await server.ready();
    return await roundTrips(site, subject, dsn);
  };
}

async function throughMqk(site: Site): Promise<Sample> {
  await using _run = new MqkRun(site, site.redis.dsn, ["-w", "1"]);
  return await roundTrips(site, "mqk", site.redis.dsn);
}

/** How long a job waits for an idle worker, and its caller for the result. */
export const LATENCY_CASES: readonly Case[] = [{
  name: "latency/idle",
  title: "one job, an idle worker",
  figures: [
    {
      key: "pickUp50",
      label: "push to start, p50",
      unit: "ms",
      target: { share: 1 / 1.5, bullmq: 2 },
    },
    {
      key: "pickUp99",
      label: "push to start, p99",
      unit: "ms",
      target: { share: 1 / 1.5, bullmq: 2 },
    },
    {
      key: "roundTrip50",
      label: "invoke and result, p50",
      unit: "ms",
      target: { value: 2 },
    },
    { key: "roundTrip99", label: "invoke and result, p99", unit: "ms" },
  ],
  subjects: {
    mqk: throughMqk,
    limit: throughProgram("limit"),
    bullmq: throughProgram("bullmq"),
    beeQueue: throughProgram("beeQueue"),
  },
}];
