import assert from "node:assert/strict";
import { RUN_TIME_BOUNDS_MS } from "../../src/time/run_time_bounds.ts";
import { JobCounts } from "../../src/worker/job_counts.ts";

Deno.test("jobs are counted by queue and by how they ended, until they are taken", () => {
  const counts = new JobCounts();
  counts.ended("a", "done");
  counts.ended("a", "done");
  counts.ended("a", "retry");
  counts.ended("b", "postponed");
  counts.ended("b", "released");
  const taken = counts.take();
  assert.deepEqual(taken.a.ended, { done: 2, retried: 1 });
  assert.deepEqual(taken.b.ended, { released: 2 });
  assert.deepEqual(counts.take(), {});
});

Deno.test("run times fall into classes; one that stands for many counts for all", () => {
  const counts = new JobCounts();
  counts.ran("a", { milliseconds: [0.1, 0.5, 3], each: 16 });
  counts.ran("a", { milliseconds: [1e9], each: 1 });
  const { ran, ranMs } = counts.take().a;
  assert.deepEqual(ran.slice(0, 4), [32, 0, 0, 16]);
  assert.equal(ran[RUN_TIME_BOUNDS_MS.length], 1);
  assert.equal(ranMs, 3.6 * 16 + 1e9);
});
