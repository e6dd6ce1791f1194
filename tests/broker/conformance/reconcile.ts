import assert from "node:assert/strict";
import { messages, type Test } from "./scene.ts";

/** Cases of `reconcile`. */
export function reconcileCases(test: Test): void {
  test("reconcile puts back what the worker does not know of", async (s) => {
    await s.push(...messages(5));
    const worker = s.worker();
    const { tokens } = await worker.reserve({ limit: 4 });
    assert.deepEqual(await worker.reconcile(tokens[1]), []);
    await s.counts({ ready: 4, held: 1 });
    assert.deepEqual((await worker.reserve()).messages, [
      "m0",
      "m2",
      "m3",
      "m4",
    ]);
  });

  test("reconcile names what the worker believes to hold and does not", async (s) => {
    await s.push("a", "b");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await s.broker.settle(worker.name, s.queue, [
      { kind: "done", token: tokens[0] },
    ]);
    assert.deepEqual(await worker.reconcile(...tokens, "999:7"), [
      tokens[0],
      "999:7",
    ]);
    assert.equal(worker.known, 1);
    await s.push("c");
    assert.deepEqual((await worker.reserve()).messages, ["c"]);
  });

  test("reconcile to nothing puts everything back where it came from", async (s) => {
    await s.leave({ crashed: ["crashed"], suspects: ["suspect", "begun"] });
    await s.push(...messages(1200));
    const worker = s.worker();
    for (let i = 0; i < 3; i++) await worker.reserve({ idle: true });
    await worker.reserve({ idle: false });
    await s.counts({ ready: 200, held: 1003 });
    await worker.reconcile();
    await s.counts({ ready: 1200, suspect: 2, crashed: 1 });
    const batch = await worker.reserve({ limit: 3 });
    assert.deepEqual(batch.messages, ["crashed"]);
    assert.deepEqual(
      (await worker.reserve({ limit: 3, idle: false })).messages,
      messages(3),
    );
  });

  test("reconcile changes nothing when both sides agree", async (s) => {
    await s.push(...messages(3));
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    assert.deepEqual(await worker.reconcile(...tokens), []);
    await s.counts({ held: 3 });
    assert.equal(await worker.done(...tokens), 3);
  });

  test("reconcile of a worker that never came is answered with nothing held", async (s) => {
    await s.push("a");
    const worker = s.worker();
    assert.deepEqual(await worker.reconcile(), []);
    assert.deepEqual((await worker.reserve()).messages, ["a"]);
  });
}
