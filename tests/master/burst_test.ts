import assert from "node:assert/strict";
import { Burst } from "../../src/master/burst.ts";

const [one, two] = [{}, {}];
const idle = (waiting: number) => ({ report: "idle", waiting } as const);
const busy = { report: "busy" } as const;
const ready = { report: "ready" } as const;

function twoReady(): Burst {
  const burst = new Burst();
  for (const place of [one, two]) {
    burst.started(place);
    burst.reported(place, ready);
  }
  return burst;
}

Deno.test("burst mode is over after two empty readings of one idle worker and one of each other", () => {
  const burst = twoReady();
  burst.reported(one, idle(0));
  burst.reported(two, idle(0));
  burst.reported(one, idle(0));
  assert.ok(!burst.over, "the first reading came before all were idle");
  burst.reported(one, idle(0));
  assert.ok(burst.over);
});

Deno.test("burst mode is not over while an idle worker may have been given a job", () => {
  const burst = twoReady();
  burst.reported(two, idle(0));
  for (let i = 0; i < 5; i++) burst.reported(one, idle(0));
  assert.ok(!burst.over, "the other has not looked since this one is idle");
  burst.reported(two, idle(0));
  assert.ok(burst.over);
});

Deno.test("one empty reading of each of two workers is not enough", () => {
  const burst = twoReady();
  burst.reported(one, idle(1));
  burst.reported(two, idle(0));
  burst.reported(one, idle(0));
  assert.ok(!burst.over);
});

Deno.test("burst mode is not over while a worker is busy", () => {
  const burst = twoReady();
  burst.reported(two, busy);
  for (let i = 0; i < 5; i++) burst.reported(one, idle(0));
  assert.ok(!burst.over);
});

Deno.test("a worker that was busy between two empty readings starts them anew", () => {
  const burst = twoReady();
  burst.reported(one, idle(0));
  burst.reported(two, idle(0));
  burst.reported(one, busy);
  burst.reported(one, idle(0));
  assert.ok(!burst.over);
});

Deno.test("jobs that wait keep burst mode going", () => {
  const burst = twoReady();
  burst.reported(two, idle(0));
  for (let i = 0; i < 5; i++) burst.reported(one, idle(1));
  assert.ok(!burst.over);
});

Deno.test("what a dead worker held is awaited until its successor is idle", () => {
  const burst = twoReady();
  burst.reported(one, idle(0));
  burst.died(two);
  burst.reported(one, idle(0));
  burst.reported(one, idle(0));
  burst.started(two);
  burst.reported(one, idle(0));
  assert.ok(!burst.over);
  burst.reported(two, ready);
  burst.reported(two, idle(0));
  burst.reported(two, idle(0));
  burst.reported(one, idle(0));
  assert.ok(burst.over);
});

Deno.test("a worker that still starts is not waited for", () => {
  const burst = new Burst();
  burst.started(one);
  burst.started(two);
  assert.ok(!burst.over, "nobody has looked yet");
  burst.reported(one, ready);
  burst.reported(one, idle(0));
  burst.reported(one, idle(0));
  assert.ok(burst.over);
});

Deno.test("a worker that was taken away is not waited for", () => {
  const burst = twoReady();
  burst.reported(two, busy);
  burst.reported(one, idle(0));
  burst.left(two);
  burst.reported(one, idle(0));
  burst.reported(one, idle(0));
  assert.ok(burst.over);
});

Deno.test("burst mode knows that a job failed for good", () => {
  const burst = twoReady();
  assert.ok(!burst.failed);
  burst.reported(one, { report: "failed" });
  assert.ok(burst.failed);
});
