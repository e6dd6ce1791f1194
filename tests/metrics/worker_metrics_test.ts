import assert from "node:assert/strict";
import type { WorkerState } from "../../src/master/observer.ts";
import type { QueueCounts, WorkerNumbers } from "../../src/master/orders.ts";
import type { Metric } from "../../src/metrics/exposition.ts";
import { WorkerMetrics } from "../../src/metrics/worker_metrics.ts";
import { RUN_TIME_BOUNDS_MS } from "../../src/time/run_time_bounds.ts";

const CALM: WorkerNumbers = {
  waiting: 0,
  running: 0,
  leaseAgeMs: 0,
  inDoubt: false,
  brokerSilentMs: 0,
  queues: {},
};

/** Two workers of queue `q`, by a clock that the test moves. */
class Scene {
  nowMs = 0;
  readonly metrics = new WorkerMetrics(["q"], () => this.nowMs);

  constructor() {
    for (const name of ["a", "b"]) {
      this.metrics.started();
      this.metrics.reported(name, { report: "ready" });
    }
  }

  says(name: string, numbers: Partial<WorkerNumbers>): void {
    this.metrics.reported(name, { report: "numbers", ...CALM, ...numbers });
  }

  value(workers: readonly WorkerState[], name: string, ...labels: unknown[]) {
    const metric = this.metrics.metrics(workers)
      .find((metric) => metric.name === name)!;
    return valueOf(metric, labels);
  }
}

function valueOf({ values }: Metric, labels: readonly unknown[]): number {
  const found = values.filter((sample) =>
    labels.every((label) => Object.values(sample.labels).includes(label as 1))
  );
  assert.equal(found.length, 1, labels.join());
  return found[0].value;
}

function worker(name: string, change: Partial<WorkerState> = {}): WorkerState {
  const process = { name, pid: name.charCodeAt(0) };
  const calm = { ready: true, leaving: false, succeeds: false };
  return { worker: process, ...calm, ...change };
}

function ran(counts: Partial<QueueCounts>): Pick<WorkerNumbers, "queues"> {
  const none = new Array(RUN_TIME_BOUNDS_MS.length + 1).fill(0);
  return { queues: { q: { ended: {}, ran: none, ranMs: 0, ...counts } } };
}

const BOTH = [worker("a"), worker("b")];

Deno.test("what workers report adds up, also of those that are gone", () => {
  const scene = new Scene();
  scene.says("a", ran({ ended: { done: 3, retried: 1 } }));
  scene.says("a", ran({ ended: { done: 2 } }));
  scene.says("b", ran({ ended: { done: 10, failed: 1 } }));
  scene.metrics.ended("b", false);
  const ended = (outcome: string) =>
    scene.value(BOTH, "mqk_jobs_ended_total", "q", outcome);
  assert.equal(ended("done"), 15);
  assert.equal(ended("failed"), 1);
  assert.equal(ended("retried"), 1);
  assert.equal(ended("cancelled"), 0);
  assert.equal(scene.value(BOTH, "mqk_worker_starts_total"), 2);
  assert.equal(scene.value(BOTH, "mqk_worker_deaths_total"), 1);
});

Deno.test("run times are a histogram, each bucket with those below it", () => {
  const scene = new Scene();
  const counts = new Array(RUN_TIME_BOUNDS_MS.length + 1).fill(0);
  counts[0] = 4;
  counts[1] = 2;
  counts[counts.length - 1] = 1;
  scene.says("a", ran({ ran: counts, ranMs: 2_000_500 }));
  const metric = scene.metrics.metrics(BOTH)
    .find(({ type }) => type === "histogram")!;
  assert.equal(metric.name, "messaging_process_duration_seconds");
  const bucket = (le: number | string) => valueOf(metric, [le]);
  assert.equal(bucket(0.0005), 4);
  assert.equal(bucket(0.001), 6);
  assert.equal(bucket(1000), 6);
  assert.equal(bucket("+Inf"), 7);
  const [sum, count] = metric.values.slice(-2);
  assert.deepEqual([sum.metricName, sum.value], [
    "messaging_process_duration_seconds_sum",
    2000.5,
  ]);
  assert.deepEqual([count.metricName, count.value], [
    "messaging_process_duration_seconds_count",
    7,
  ]);
});

Deno.test("jobs in flight are those of living workers, the lease is the oldest", () => {
  const scene = new Scene();
  scene.says("a", { waiting: 5, running: 1, leaseAgeMs: 900 });
  scene.says("b", { waiting: 2, running: 3, leaseAgeMs: 300 });
  const inProcess = (state: string) =>
    scene.value(BOTH, "mqk_jobs_in_process", state);
  assert.deepEqual([inProcess("waiting"), inProcess("running")], [7, 4]);
  assert.equal(scene.value(BOTH, "mqk_lease_age_seconds"), 0.9);
  scene.metrics.ended("a", true);
  assert.deepEqual([inProcess("waiting"), inProcess("running")], [2, 3]);
  assert.equal(scene.value(BOTH, "mqk_worker_deaths_total"), 0);
});

Deno.test("all is well while each worker is ready and its broker answers", () => {
  const scene = new Scene();
  assert.deepEqual(scene.metrics.health(BOTH), []);
  scene.nowMs = 4000;
  for (const name of ["a", "b"]) scene.says(name, { leaseAgeMs: 2000 });
  scene.nowMs = 8000;
  assert.deepEqual(scene.metrics.health(BOTH), []);
  // One that is told to end, and one that starts in its place, do not matter.
  const leaving = worker("c", { leaving: true });
  const fresh = worker("d", { ready: false, succeeds: true });
  assert.deepEqual(scene.metrics.health([...BOTH, leaving, fresh]), []);
});

Deno.test("a worker that is not ready, or silent, is a reason not to be well", () => {
  const scene = new Scene();
  const starting = worker("b", { ready: false });
  const dead: WorkerState = { ...starting, worker: undefined };
  const missing = ["1 of 2 workers are not ready"];
  assert.deepEqual(scene.metrics.health([BOTH[0], starting]), missing);
  assert.deepEqual(scene.metrics.health([BOTH[0], dead]), missing);
  scene.nowMs = 6000;
  scene.says("a", {});
  assert.deepEqual(scene.metrics.health(BOTH), [
    "worker 98 has been silent for 6 s",
  ]);
});

Deno.test("so is a lease in doubt, a broker that is away, and the end", () => {
  const scene = new Scene();
  scene.says("a", { inDoubt: true, leaseAgeMs: 7000, brokerSilentMs: 11_000 });
  scene.says("b", { brokerSilentMs: 11_000 });
  assert.deepEqual(scene.metrics.health(BOTH), [
    "worker 97 has not renewed its lease for 7 s",
    "the broker has not answered worker 98 for 11 s",
  ]);
  const leaving = BOTH.map((state) => ({ ...state, leaving: true }));
  assert.deepEqual(scene.metrics.health(leaving), ["it is stopping"]);
});
