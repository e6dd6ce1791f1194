import assert from "node:assert/strict";
import { messages, type Test } from "./scene.ts";

/** Cases of `control`: paused queues, and limits of queues. */
export function controlCases(test: Test): void {
  test("of a paused queue nobody gets a job, and all are there when it is resumed", async (s) => {
    const worker = s.worker();
    await s.push("a", "b");
    await s.broker.control.pause(s.queue);
    const { tokens, blockedMs } = await worker.reserve();
    assert.deepEqual([...tokens], []);
    assert.ok(blockedMs! > 0 && blockedMs! <= 1000, `${blockedMs}`);
    const taken = await s.broker.take(s.queue, 9, 99);
    assert.deepEqual([...taken.messages], []);
    assert.ok(taken.blockedMs! > 0);
    await s.push("c");
    await s.tick();
    await s.counts({ ready: 3 });
    assert.equal((await s.broker.control.state(s.queue)).paused, true);
    await s.broker.control.resume(s.queue);
    const batch = await worker.reserve();
    assert.deepEqual([...batch.messages], ["a", "b", "c"]);
    assert.equal(batch.blockedMs, undefined);
    assert.equal((await s.broker.control.state(s.queue)).paused, false);
  });

  test("what is held of a paused queue can be settled, renewed and released", async (s) => {
    const worker = s.worker();
    await s.push("a", "b");
    const { tokens } = await worker.reserve();
    await s.broker.control.pause(s.queue);
    assert.equal(await worker.renew(), 2);
    assert.equal(await worker.done(tokens[0]), 1);
    await worker.release(tokens[1]);
    await s.counts({ ready: 1 });
  });

  test("neither suspects nor crashed jobs of a paused queue are given", async (s) => {
    await s.leave({ crashed: ["crashed"], suspects: ["suspect"] });
    await s.broker.control.pause(s.queue);
    const { tokens } = await s.worker().reserve({ idle: true });
    assert.deepEqual([...tokens], []);
    await s.counts({ crashed: 1, suspect: 1 });
  });

  test("of a queue with a limit no more jobs are held at once, whoever holds them", async (s) => {
    const { control } = s.broker;
    const [first, second] = [s.worker(), s.worker(await s.store.second())];
    await s.push(...messages(10));
    const before = await first.reserve({ limit: 1 });
    await control.setLimits(s.queue, { concurrency: 4 });
    assert.deepEqual(await control.state(s.queue), {
      paused: false,
      limits: { concurrency: 4 },
    });
    const one = await second.reserve({ limit: 2 });
    const two = await first.reserve();
    assert.deepEqual([...two.messages], ["m3"], "1 + 2 were held before");
    const full = await second.reserve();
    assert.deepEqual([...full.tokens], []);
    assert.ok(full.blockedMs! > 0);
    await first.done(...before.tokens);
    await second.release(one.tokens[1]);
    assert.equal((await second.reserve()).tokens.length, 2);
    // What a dead worker held is held no more, and has to be held again.
    await first.die();
    const third = s.worker();
    assert.equal((await third.reserve({ idle: true })).kind, "suspect");
    assert.deepEqual([...(await second.reserve()).tokens], []);
    await control.setLimits(s.queue, {});
    assert.equal((await second.reserve()).tokens.length, 5);
  });

  test("a limit that nothing waits for does not block", async (s) => {
    await s.broker.control.setLimits(s.queue, { concurrency: 1 });
    await s.push("only");
    const worker = s.worker();
    await worker.reserve();
    assert.equal((await worker.reserve()).blockedMs, undefined);
  });

  test("a rate lets through so many jobs in any period", async (s) => {
    await s.broker.control.setLimits(s.queue, {
      rate: { jobs: 10, perMs: 60_000 },
    });
    await s.push(...messages(40));
    const worker = s.worker();
    const gone: [atMs: number, jobs: number][] = [];
    for (let step = 0; step < 40; step++) {
      const { tokens } = await worker.reserve({ limit: 1 + step % 7 });
      gone.push([s.store.nowMs(), tokens.length]);
      await worker.done(...tokens);
      await s.pass(7_000);
    }
    const sum = (list: readonly (readonly [number, number])[]) =>
      list.reduce((total, [, jobs]) => total + jobs, 0);
    for (const [fromMs] of gone) {
      const within = gone.filter(([atMs]) =>
        atMs >= fromMs && atMs < fromMs + 60_000
      );
      assert.ok(sum(within) <= 10, `${sum(within)} within a minute`);
    }
    assert.equal(sum(gone), 40, "280 s are enough for 40 jobs");
  });

  test("fast mode keeps the rate of a queue as well", async (s) => {
    await s.broker.control.setLimits(s.queue, {
      rate: { jobs: 2, perMs: 60_000 },
    });
    await s.push(...messages(5));
    const take = async () => await s.broker.take(s.queue, 9, 99);
    assert.equal((await take()).messages.length, 2);
    const { messages: none, blockedMs } = await take();
    assert.deepEqual([...none], []);
    assert.equal(blockedMs, 1000);
    await s.pass(70_000);
    assert.equal((await take()).messages.length, 2);
  });

  test("a clock that goes back stops no queue with a rate for long", async (s) => {
    await s.broker.control.setLimits(s.queue, {
      rate: { jobs: 1, perMs: 10_000 },
    });
    await s.push("a", "b");
    const worker = s.worker();
    await worker.done(...(await worker.reserve()).tokens);
    await s.store.advance(-3_600_000);
    await s.pass(11_000);
    assert.equal((await worker.reserve()).tokens.length, 1);
  });
}
