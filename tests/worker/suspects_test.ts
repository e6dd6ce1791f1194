import assert from "node:assert/strict";
import { SuspectPolicy } from "../../src/worker/suspects.ts";

Deno.test("a busy worker pauses five seconds for a suspect, then ignores it for ten", () => {
  const policy = new SuspectPolicy();
  assert.equal(policy.mayReserve(0), true);
  policy.heard("q", 1, 0);
  assert.equal(policy.mayReserve(0), false);
  assert.equal(policy.mayReserve(4_999), false);
  assert.equal(policy.mayReserve(5_000), true);
  policy.heard("q", 1, 14_000);
  assert.equal(policy.mayReserve(14_999), true);
  assert.equal(policy.mayReserve(15_000), false);
});

Deno.test("after thirty seconds it asks to drain, and once allowed waits without limit", () => {
  const policy = new SuspectPolicy();
  policy.heard("q", 2, 0);
  assert.equal(policy.wantsToDrain(29_999), false);
  assert.equal(policy.wantsToDrain(30_000), true);
  policy.grant();
  assert.equal(policy.wantsToDrain(60_000), false);
  policy.heard("q", 2, 299_000);
  assert.equal(policy.mayReserve(300_000), false);
  policy.heard("q", 0, 300_000);
  assert.equal(policy.mayReserve(300_001), true);
});

Deno.test("a suspect of one queue is not forgotten when another has none", () => {
  const policy = new SuspectPolicy();
  policy.heard("a", 1, 0);
  policy.heard("b", 0, 1);
  assert.equal(policy.known, true);
});

Deno.test("what was not heard of for fifteen seconds is forgotten", () => {
  const policy = new SuspectPolicy();
  policy.heard("q", 1, 0);
  assert.equal(policy.mayReserve(30), false);
  policy.grant();
  assert.equal(policy.mayReserve(14_999), false);
  assert.equal(policy.mayReserve(15_000), true);
  assert.equal(policy.known, false);
});

Deno.test("it knows in which queues suspects wait", () => {
  const policy = new SuspectPolicy();
  policy.heard("q", 1, 0);
  assert.deepEqual(["q", "other"].map((name) => policy.waitsIn(name)), [
    true,
    false,
  ]);
  policy.heard("q", 0, 0);
  assert.equal(policy.waitsIn("q"), false);
});
