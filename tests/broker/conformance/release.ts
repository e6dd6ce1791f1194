import assert from "node:assert/strict";
import { messages, type Test } from "./scene.ts";

/** Cases of `release`. */
export function releaseCases(test: Test): void {
  test("released jobs are in front of their queue again, in their order", async (s) => {
    await s.push(...messages(6));
    const worker = s.worker();
    const { tokens } = await worker.reserve({ limit: 4 });
    await worker.release(...tokens);
    await s.counts({ ready: 6 });
    assert.deepEqual((await worker.reserve()).messages, messages(6));
  });

  test("released jobs keep their order, whatever the order of the tokens", async (s) => {
    const all = messages(24);
    await s.push(...all);
    const worker = s.worker();
    const tokens = [
      ...(await worker.reserve({ limit: 12 })).tokens,
      ...(await worker.reserve()).tokens,
    ];
    await worker.release(...tokens.toReversed());
    assert.deepEqual(await s.drain(), all);
  });

  test("a part of a batch may be released", async (s) => {
    await s.push("a", "b", "c", "d");
    const worker = s.worker();
    const { tokens } = await worker.reserve({ limit: 3 });
    await worker.release(tokens[0], tokens[2]);
    await s.counts({ ready: 3, held: 1 });
    assert.deepEqual(await s.drain(), ["a", "c", "d"]);
    assert.equal(await worker.done(tokens[1]), 1);
  });

  test("release is idempotent, and of what is not held changes nothing", async (s) => {
    await s.push("a", "b", "c");
    const worker = s.worker();
    const { tokens } = await worker.reserve({ limit: 2 });
    await worker.release(...tokens);
    await worker.release(...tokens);
    await worker.release("999:0", "nonsense", "");
    await worker.release();
    await s.counts({ ready: 3 });
    assert.deepEqual((await worker.reserve()).messages, ["a", "b", "c"]);
    await worker.release(...tokens);
    await s.counts({ held: 3 });
  });

  test("a token that is named twice puts its job back once", async (s) => {
    await s.push("a", "b");
    const worker = s.worker();
    const { tokens: [a, b] } = await worker.reserve();
    await worker.release(a, b, a, b);
    await s.counts({ ready: 2 });
  });

  test("a worker can't release what another holds", async (s) => {
    await s.push("a", "b");
    const worker = s.worker();
    const { tokens } = await worker.reserve({ limit: 1 });
    const other = s.worker();
    await other.reserve();
    await other.release(...tokens);
    await s.counts({ held: 2 });
  });

  test("a released suspect is the first suspect again, whether it began or not", async (s) => {
    await s.leave({ suspects: ["a", "b"] });
    for (const began of [false, true, false]) {
      const worker = s.worker();
      const { kind, tokens, messages } = await worker.reserve();
      assert.deepEqual([kind, messages], ["suspect", ["a"]]);
      await worker.release(began ? await worker.begin(tokens[0]) : tokens[0]);
      await s.counts({ suspect: 2 });
    }
  });

  test("released crashed jobs are crashed again, in their order", async (s) => {
    await s.leave({ crashed: ["a", "b", "c"] });
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.release(tokens[0], tokens[1]);
    await s.counts({ crashed: 2, held: 1 });
    const { kind, messages } = await worker.reserve();
    assert.deepEqual([kind, messages], ["crashed", ["a", "b"]]);
  });

  test("jobs of every kind are released in one call", async (s) => {
    await s.leave({ crashed: ["crashed"], suspects: ["suspect"] });
    await s.push("ready");
    const worker = s.worker();
    const tokens: string[] = [];
    for (let i = 0; i < 3; i++) {
      tokens.push(...(await worker.reserve({ idle: true })).tokens);
    }
    await s.counts({ held: 3 });
    await worker.release(...tokens);
    await s.counts({ ready: 1, suspect: 1, crashed: 1 });
  });

  test("1,500 jobs are released in one call and keep their order", async (s) => {
    const all = messages(1600);
    await s.push(...all);
    const worker = s.worker();
    const tokens = [
      ...(await worker.reserve()).tokens,
      ...(await worker.reserve({ limit: 500 })).tokens,
    ];
    await worker.release(...tokens);
    assert.equal(await worker.renew(), 0);
    assert.deepEqual(await s.drain(), all);
  });
}
