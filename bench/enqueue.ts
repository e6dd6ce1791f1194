import type { Case, Measurement, Target } from "./case.ts";
import type { SubjectName } from "./programs.ts";
import type { EnqueueOrder } from "./subjects/protocol.ts";

/** The list in which jobs of a subject wait. */
const WAITING: Record<SubjectName, string> = {
  mqk: "mqk:{default}:ready",
  limit: "mqk:{default}:ready",
  bullmq: "bull:default:wait",
  beeQueue: "bq:default:waiting",
};

function enqueue(
  subject: SubjectName,
  mode: EnqueueOrder["mode"],
  count: number,
): Measurement {
  return async (site) => {
    const jobs = site.jobs(count);
    const order = { action: "enqueue", mode, count: jobs } as const;
    const { rate } = await site.programs.obey(subject, {
      ...order,
      dsn: site.redis.dsn,
    });
    const counted = Number(await site.redis.call("LLEN", WAITING[subject]));
    return {
      values: { rate },
      checks: [{ what: "waiting jobs", expected: jobs, counted }],
    };
  };
}

function enqueueCase(
  mode: EnqueueOrder["mode"],
  title: string,
  counts: Record<SubjectName, number>,
  target?: Target,
): Case {
  return {
    name: `enqueue/${mode}`,
    title,
    figures: [{
      key: "rate",
      label: "",
      unit: "/s",
      higherIsBetter: true,
      target,
    }],
    subjects: Object.fromEntries(
      Object.entries(counts).map(([subject, count]) => [
        subject,
        enqueue(subject as SubjectName, mode, count),
      ]),
    ),
  };
}

/** How fast one producer stores jobs in Redis. */
export const ENQUEUE_CASES: readonly Case[] = [
  enqueueCase("batches", "enqueue, 1,000 a call", {
    mqk: 300_000,
    limit: 300_000,
    bullmq: 20_000,
    beeQueue: 20_000,
  }, { value: 400_000, bullmq: 30, beeQueue: 6 }),
  enqueueCase("in-flight", "invoke, 100 in flight", {
    mqk: 100_000,
    limit: 100_000,
    bullmq: 20_000,
    beeQueue: 20_000,
  }, { value: 50_000, bullmq: 3 }),
  enqueueCase("one-by-one", "invoke, one by one", {
    mqk: 10_000,
    limit: 10_000,
    bullmq: 5_000,
    beeQueue: 5_000,
  }, { share: 0.8 }),
];
