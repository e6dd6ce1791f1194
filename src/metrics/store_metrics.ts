import type { Counts } from "../broker/broker.ts";
import type { Inspector, QueueLook } from "../broker/inspector.ts";
import { ageSeconds } from "../job/age.ts";
import { readHealth, type WorkerHealth } from "../worker/health.ts";
import { type Metric, QUEUE_LABEL, type Sample } from "./exposition.ts";

/** Of `scheduled`, some wait for other jobs. */
const STATES = [
  "scheduled",
  "ready",
  "suspect",
  "crashed",
  "held",
  "retry",
  "failed",
] as const satisfies readonly (keyof Counts)[];

/**
 * What the store knows of its queues and of those who serve them. Without
 * `names`, of all queues.
 */
export async function storeMetrics(
  inspector: Pick<Inspector, "queues" | "look" | "workers">,
  names?: readonly string[],
): Promise<Metric[]> {
  const [looks, records] = await Promise.all([
    inspector.look(names ?? await inspector.queues()),
    inspector.workers(),
  ]);
  const workers = records.map(readHealth);
  const each = (of: (look: QueueLook) => Sample[]) => looks.flatMap(of);
  return [
    {
      name: "mqk_jobs",
      help: "Jobs in each state.",
      type: "gauge",
      values: each(({ queue, counts }) =>
        STATES.map((state) => sample(queue, counts[state], { state }))
      ),
    },
    {
      name: "mqk_jobs_held_by_late",
      help: "Jobs of workers that did not renew their lease for 3 ticks.",
      type: "gauge",
      values: each(({ queue, counts }) => [sample(queue, counts.heldByLate)]),
    },
    {
      name: "mqk_oldest_job_age_seconds",
      help: "How long ago the job was sent that runs next, if it says so.",
      type: "gauge",
      values: each(({ queue, next }) => oldest(queue, next)),
    },
    {
      name: "mqk_jobs_left_total",
      help: "Jobs that left the queue for good since it was first used.",
      type: "counter",
      values: each(({ queue, done, failed }) => [
        sample(queue, done, { outcome: "done" }),
        sample(queue, failed, { outcome: "failed" }),
      ]),
    },
    {
      name: "mqk_queue_paused",
      help: "1: nobody gets its jobs.",
      type: "gauge",
      values: each(({ queue, paused }) => [sample(queue, paused ? 1 : 0)]),
    },
    {
      name: "mqk_queue_workers",
      help: "Workers that serve it, on all machines.",
      type: "gauge",
      values: each(({ queue }) => [sample(queue, serving(workers, queue))]),
    },
  ];
}

function sample(
  queue: string,
  value: number,
  labels: Record<string, string> = {},
): Sample {
  return { labels: { [QUEUE_LABEL]: queue, ...labels }, value };
}

/** A queue in which no job waits has none; of some it is not known. */
function oldest(queue: string, next: string | undefined): Sample[] {
  if (next === undefined) return [sample(queue, 0)];
  const age = ageSeconds(next);
  return age === undefined ? [] : [sample(queue, age)];
}

function serving(workers: readonly WorkerHealth[], queue: string): number {
  return workers.filter(({ queues }) => queues.includes(queue)).length;
}
