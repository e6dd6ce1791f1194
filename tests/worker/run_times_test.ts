import assert from "node:assert/strict";
import { RunTimes } from "../../src/worker/run_times.ts";

const MINUTE_MS = 60_000;

function queues(times: RunTimes, minutes: number): string[] {
  return [...times.recent(minutes * MINUTE_MS).keys()];
}

Deno.test("run times are forgotten after five to ten minutes", () => {
  const times = new RunTimes(0);
  times.add("a", [1], 1);
  assert.deepEqual(queues(times, 4), ["a"]);
  assert.deepEqual(queues(times, 5), ["a"]);
  times.add("b", [1], 1);
  assert.deepEqual(queues(times, 9), ["a", "b"]);
  assert.deepEqual(queues(times, 10), ["b"]);
  assert.deepEqual(queues(times, 15), []);
});

Deno.test("a queue without measured jobs has no run times", () => {
  const times = new RunTimes(0);
  times.add("a", [], 1);
  assert.deepEqual(queues(times, 1), []);
});
