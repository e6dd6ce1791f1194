import assert from "node:assert/strict";
import type { Test } from "./scene.ts";

/** Cases of `counts`, `queues` and what a broker says of itself. */
export function countsCases(test: Test): void {
  test("counts tells the states apart", async (s) => {
    await s.leave({ crashed: ["crashed"], suspects: ["s1", "s2"] });
    await s.push("r1", "r2", "r3", "r4", "r5", "r6", "r7");
    const worker = s.worker();
    const { tokens } = await worker.reserve({ limit: 1 });
    await worker.settle({
      kind: "retry",
      token: tokens[0],
      message: "alone",
      delayMs: 9000,
      alone: true,
    });
    const ready = await worker.reserve({ limit: 4, idle: false });
    await worker.settle(
      { kind: "retry", token: ready.tokens[0], message: "x", delayMs: 9000 },
      { kind: "failed", token: ready.tokens[1], entry: "y" },
    );
    await s.broker.enqueue([
      { id: s.newId(), queue: s.queue, message: "z", delayMs: 9000 },
    ]);
    await s.counts({
      ready: 3,
      suspect: 2,
      held: 2,
      retry: 2,
      scheduled: 1,
      failed: 1,
    });
  });

  test("counts answers queue by queue, with zeros for one that never was", async (s) => {
    await s.push("a", "b");
    const all = await s.broker.counts(["never-" + s.queue, s.queue]);
    assert.deepEqual(all.map(({ ready }) => ready), [0, 2]);
    assert.deepEqual(await s.broker.counts([]), []);
  });

  test("what workers hold that are 3 ticks late is counted apart as well", async (s) => {
    await s.push("a", "b", "c");
    const [late, punctual] = [s.worker(), s.worker()];
    await s.tick();
    await late.reserve({ limit: 2 });
    await punctual.reserve();
    await s.tick(2);
    await s.counts({ held: 3 });
    await s.tick();
    await s.counts({ held: 3, heldByLate: 3 });
    await punctual.renew();
    await s.counts({ held: 3, heldByLate: 2 });
  });

  test("a worker that was recovered holds nothing", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    await worker.die();
    await s.counts({ suspect: 1 });
  });

  test("queues names what was registered or enqueued to, once", async (s) => {
    const [first, second] = [s.queue + "-1", s.queue + "-2"];
    await s.broker.register([first, second]);
    await s.broker.register([first]);
    await s.push("a");
    await s.push("b");
    const other = await s.store.second();
    for (const names of [await other.queues(), await s.inspector.queues()]) {
      assert.deepEqual(
        names.filter((name) => name.startsWith(s.queue)).sort(),
        [s.queue, first, second],
      );
    }
    assert.deepEqual(
      await s.inspector.queues(),
      (await s.inspector.queues()).toSorted(),
      "the inspector sorts them",
    );
  });

  test("reports and warnings do not fail", async (s) => {
    await s.broker.report(s.worker().name, { pid: "7", queues: "a,b" });
    assert.ok((await s.broker.warnings()).every((line) => line !== ""));
  });
}
