import assert from "node:assert/strict";
import {
  FencedError,
  LEASE_TICKS,
  TICK_MS,
} from "../../../src/broker/broker.ts";
import { messages, type Test } from "./scene.ts";

/** Cases of `reap`: the tick, lapsed workers, due jobs. */
export function reapCases(test: Test): void {
  test("the tick of a queue advances once a second, whoever reaps", async (s) => {
    const other = await s.store.second();
    const advanced = async (broker = s.broker) =>
      (await broker.reap(s.queue)).advanced;
    assert.equal(await advanced(), true);
    assert.equal(await advanced(other), false);
    await s.store.advance(TICK_MS - 1);
    assert.equal(await advanced(), false);
    await s.store.advance(1);
    assert.equal(await advanced(other), true);
    assert.equal(await advanced(), false);
  });

  test("of many that reap at once a single one advances the tick", async (s) => {
    await s.tick();
    const brokers = [s.broker, await s.store.second()];
    await s.store.advance(TICK_MS);
    const steps = await Promise.all(
      Array.from({ length: 8 }, (_, i) => brokers[i % 2].reap(s.queue)),
    );
    assert.equal(steps.filter((step) => step.advanced).length, 1);
  });

  test("a jump of the clock, forward or back, is one tick", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    await s.tick(2);
    for (const hours of [2, -3, 5, -1]) {
      await s.store.advance(hours * 3_600_000);
      assert.equal((await s.broker.reap(s.queue)).advanced, true);
      const again = await s.broker.reap(s.queue);
      assert.deepEqual([again.advanced, again.lapsed], [false, []]);
    }
    assert.deepEqual((await s.tick(3)).lapsed, []);
    assert.deepEqual((await s.tick()).lapsed, [worker.name]);
    await s.store.advance(-3 * 3_600_000);
  });

  test("a lease lapses after 10 ticks without renewal and not before", async (s) => {
    await s.push("a", "b");
    const worker = s.worker();
    const { tokens } = await worker.reserve({ limit: 1 });
    assert.deepEqual((await s.tick(LEASE_TICKS - 1)).lapsed, []);
    assert.deepEqual((await s.tick()).lapsed, [worker.name]);
    assert.deepEqual(
      (await s.broker.reap(s.queue)).lapsed,
      [worker.name],
      "until somebody recovers it",
    );
    assert.equal(await s.broker.recover(worker.name, s.queue, "lapsed"), 1);
    await s.counts({ ready: 1, suspect: 1 });
    assert.deepEqual((await s.tick()).lapsed, []);
    await assert.rejects(worker.done(...tokens), FencedError);
  });

  test("a worker that lapsed but was not recovered may still renew", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    assert.deepEqual((await s.tick(LEASE_TICKS)).lapsed, [worker.name]);
    assert.equal(await worker.renew(), 1);
    assert.deepEqual((await s.broker.reap(s.queue)).lapsed, []);
    assert.equal(await s.broker.recover(worker.name, s.queue, "lapsed"), 0);
    await s.counts({ held: 1 });
  });

  test("a worker that lapsed but was not recovered may still settle", async (s) => {
    const [a] = await s.push("a", "b");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await s.tick(LEASE_TICKS);
    assert.equal(
      await worker.settle({
        kind: "done",
        token: tokens[0],
        id: a,
        outcome: "1",
      }),
      1,
    );
    assert.equal(await s.result(a), "1");
    assert.equal(await s.broker.recover(worker.name, s.queue, "lapsed"), 1);
    await s.counts({ suspect: 1 });
  });

  test("a worker without jobs need not renew: it is there when jobs come", async (s) => {
    const worker = s.worker();
    await worker.reserve();
    for (let i = 0; i < 30; i++) {
      for (const name of (await s.tick()).lapsed) {
        await s.broker.recover(name, s.queue, "lapsed");
      }
    }
    await s.push("a");
    const { tokens } = await worker.reserve();
    assert.equal(await worker.done(...tokens), 1);
  });

  test("a lapsed worker that holds nothing is forgotten, and may come back", async (s) => {
    const worker = s.worker();
    await worker.reserve();
    assert.deepEqual((await s.tick(LEASE_TICKS)).lapsed, [worker.name]);
    assert.equal(await s.broker.recover(worker.name, s.queue, "lapsed"), 0);
    assert.deepEqual((await s.tick()).lapsed, []);
    await s.push("a");
    assert.deepEqual((await worker.reserve()).messages, ["a"]);
  });

  test("due jobs move 500 at a time, and the step says when there are more", async (s) => {
    await s.broker.enqueue(
      messages(1200).map((message) => ({
        id: s.newId(),
        queue: s.queue,
        message,
        delayMs: 1000,
      })),
    );
    await s.store.advance(1000);
    const seen: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      const { more } = await s.broker.reap(s.queue);
      seen.push([more, (await s.broker.counts([s.queue]))[0].ready]);
    }
    assert.deepEqual(seen, [[true, 500], [true, 1000], [false, 1200]]);
    assert.deepEqual((await s.drain()).sort(), messages(1200).sort());
  });

  test("exactly 500 due jobs are no reason to call again", async (s) => {
    await s.broker.enqueue(
      messages(500).map((message) => ({
        id: s.newId(),
        queue: s.queue,
        message,
        delayMs: 1000,
      })),
    );
    await s.store.advance(1000);
    assert.equal((await s.broker.reap(s.queue)).more, false);
    await s.counts({ ready: 500 });
  });

  test("large jobs that are due together do not move in one step", async (s) => {
    const large = messages(120).map((m) => m.padEnd(50_000, "."));
    await s.broker.enqueue(large.map((message) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      delayMs: 1000,
    })));
    await s.store.advance(1000);
    let steps = 1;
    while ((await s.broker.reap(s.queue)).more && steps < 99) steps++;
    assert.ok(steps > 1 && steps < 20, `${steps} steps`);
    assert.ok((await s.drain()).sort().join() === large.sort().join());
  });

  test("due jobs move in every step, not once a tick", async (s) => {
    await s.broker.reap(s.queue);
    await s.broker.enqueue([
      { id: s.newId(), queue: s.queue, message: "a", delayMs: 10 },
    ]);
    await s.store.advance(10);
    assert.equal((await s.broker.reap(s.queue)).advanced, false);
    await s.counts({ ready: 1 });
  });

  test("due jobs of each kind go where they belong", async (s) => {
    await s.push("b", "c");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle(
      { kind: "retry", token: tokens[0], message: "b2", delayMs: 10 },
      {
        kind: "retry",
        token: tokens[1],
        message: "c2",
        delayMs: 10,
        alone: true,
      },
    );
    await s.broker.enqueue([
      { id: s.newId(), queue: s.queue, message: "a", delayMs: 5 },
    ]);
    await s.counts({ scheduled: 1, retry: 2 });
    await s.store.advance(10);
    const { more, suspects } = await s.broker.reap(s.queue);
    assert.deepEqual([more, suspects], [false, 1]);
    await s.counts({ ready: 2, suspect: 1 });
  });

  test("a step of the reaper says how many suspects and crashed jobs wait", async (s) => {
    assert.equal((await s.broker.reap(s.queue)).suspects, 0);
    await s.leave({ crashed: ["a"], suspects: ["b", "c"] });
    assert.equal((await s.broker.reap(s.queue)).suspects, 3);
    await s.broker.control.pause(s.queue);
    const { suspects } = await s.broker.reap(s.queue);
    assert.equal(suspects, 0, "nobody may take them");
  });

  test("the tick of one queue is not that of another", async (s) => {
    const other = s.queue + "x";
    assert.equal((await s.broker.reap(s.queue)).advanced, true);
    assert.equal((await s.broker.reap(other)).advanced, true);
    assert.equal((await s.broker.reap(s.queue)).advanced, false);
  });
}
