import assert from "node:assert/strict";
import { Slot } from "../../src/thread/protocol.ts";
import { Flight } from "../../src/worker/flight.ts";

function flight(): Flight {
  return new Flight(1, "q", {
    kind: "ready",
    tokens: ["1:0", "1:1", "1:2"],
    messages: ["a", "b", "c"],
    suspects: 0,
    cancels: 0,
  }, 0);
}

Deno.test("a job that the thread has claimed can't be taken back, and the reverse", () => {
  const jobs = flight();
  const slots = new Int32Array(jobs.buffer);
  const claim = (index: number) =>
    Atomics.compareExchange(slots, index, Slot.waiting, Slot.running) ===
      Slot.waiting;
  assert.equal(claim(0), true);
  assert.deepEqual(jobs.takeBack(), [1, 2]);
  assert.equal(claim(1), false);
  assert.deepEqual(jobs.takeBack(), [], "they stay won");
  assert.deepEqual(jobs.started(), [0]);
  assert.equal(jobs.unended, 1);
});

Deno.test("a job leaves once, and is held until that is answered", () => {
  const jobs = flight();
  assert.equal(jobs.ended(0), true);
  assert.equal(jobs.leave(0), true);
  assert.equal(jobs.leave(0), false);
  assert.equal(jobs.ended(0), false);
  assert.deepEqual(jobs.heldTokens(), ["1:0", "1:1", "1:2"]);
  assert.equal(jobs.leaving, 1);
  jobs.gone(0);
  jobs.gone(0);
  assert.deepEqual(jobs.heldTokens(), ["1:1", "1:2"]);
  assert.equal(jobs.leaving, 0);
  assert.equal(jobs.unsettled, 2);
});
