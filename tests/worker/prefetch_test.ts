import assert from "node:assert/strict";
import { Prefetch } from "../../src/worker/prefetch.ts";

const nothing = { waiting: 0, started: 0 };

Deno.test("the prefetch doubles while batches are short, up to three batches", () => {
  const prefetch = new Prefetch(10);
  assert.equal(prefetch.limit(nothing), 10);
  prefetch.batchEnded(5);
  assert.equal(prefetch.limit(nothing), 20);
  for (let n = 0; n < 20; n++) prefetch.batchEnded(5);
  assert.equal(prefetch.limit(nothing), 1500);
  assert.equal(prefetch.limit({ waiting: 1000, started: 0 }), 500);
  assert.equal(prefetch.limit({ waiting: 1000, started: 1 }), 0);
});

Deno.test("the prefetch halves after a long batch, and never ends at nothing", () => {
  const prefetch = new Prefetch(10);
  prefetch.batchEnded(101);
  assert.equal(prefetch.limit(nothing), 5);
  for (let n = 0; n < 20; n++) prefetch.batchEnded(1000);
  assert.equal(prefetch.limit(nothing), 1);
});

Deno.test("after jobs were taken back nothing is reserved until one has ended or the thread answers", () => {
  const prefetch = new Prefetch(10);
  prefetch.takenBack();
  assert.equal(prefetch.limit({ waiting: 0, started: 1 }), 0);
  prefetch.jobEnded();
  assert.equal(prefetch.limit(nothing), 5);
  prefetch.takenBack();
  prefetch.answered(1);
  assert.equal(prefetch.limit({ waiting: 0, started: 1 }), 1);
});

Deno.test("a thread whose places are all taken gets no more than it has free later", () => {
  const prefetch = new Prefetch(10);
  for (let n = 0; n < 20; n++) prefetch.batchEnded(5);
  prefetch.takenBack();
  prefetch.answered(10);
  assert.equal(prefetch.limit({ waiting: 0, started: 10 }), 0);
  assert.equal(prefetch.limit({ waiting: 0, started: 6 }), 4);
});

Deno.test("free places for asynchronous jobs are filled though the window is small", () => {
  const prefetch = new Prefetch(10);
  for (let n = 0; n < 20; n++) prefetch.batchEnded(1000);
  assert.equal(prefetch.limit({ waiting: 0, started: 3 }), 1);
  assert.equal(prefetch.limit({ waiting: 1, started: 3 }), 0);
  assert.equal(prefetch.limit({ waiting: 0, started: 10 }), 0);
});

Deno.test("what waits is taken back after 100 ms, and less soon from a thread that is busy again and again", () => {
  const prefetch = new Prefetch(2);
  assert.equal(prefetch.isStuck(1, 0), false);
  assert.equal(prefetch.isStuck(1, 99), false);
  assert.equal(prefetch.isStuck(1, 100), true);
  prefetch.takenBack();
  prefetch.answered(1);
  assert.equal(prefetch.isStuck(2, 200), false);
  assert.equal(prefetch.isStuck(2, 399), false);
  assert.equal(prefetch.isStuck(2, 400), true);
  prefetch.takenBack();
  prefetch.jobEnded();
  assert.equal(prefetch.isStuck(3, 500), false);
  assert.equal(prefetch.isStuck(3, 600), true);
});
