import assert from "node:assert/strict";
import { eventually } from "../../harness/eventually.ts";
import { messages, type Test } from "./scene.ts";

/** Cases of fast mode: `take` and `record`. */
export function takeRecordCases(test: Test): void {
  test("take removes the oldest jobs for good, up to its limit", async (s) => {
    await s.push("a", "b", "c");
    assert.deepEqual((await s.broker.take(s.queue, 2, 1000)).messages, [
      "a",
      "b",
    ]);
    await s.counts({ ready: 1 });
    assert.deepEqual((await s.broker.take(s.queue, 2, 1000)).messages, ["c"]);
    assert.deepEqual((await s.broker.take(s.queue, 2, 1000)).messages, []);
    await s.counts({});
  });

  test("take stops before its bytes are exceeded, but gives one job in any case", async (s) => {
    const large = messages(3).map((m) => m.padEnd(400, "ü"));
    await s.push(...large);
    assert.deepEqual(
      (await s.broker.take(s.queue, 9, 1700)).messages,
      large.slice(0, 2),
      "400 letters are 798 bytes",
    );
    assert.deepEqual(
      (await s.broker.take(s.queue, 9, 1)).messages,
      large.slice(2),
    );
  });

  test("the bytes of a take hold for ready jobs and suspects together", async (s) => {
    await s.leave({ suspects: ["suspect".padEnd(400)] });
    await s.push("ready".padEnd(400));
    assert.deepEqual(
      (await s.broker.take(s.queue, 9, 500)).messages,
      ["ready".padEnd(400)],
    );
    await s.counts({ suspect: 1 });
  });

  test("take gives suspects and crashed jobs last, as jobs like others", async (s) => {
    await s.leave({ crashed: ["crashed"], suspects: ["suspect"] });
    await s.push("ready");
    assert.deepEqual((await s.broker.take(s.queue, 9, 9999)).messages, [
      "ready",
      "suspect",
      "crashed",
    ]);
    await s.counts({});
  });

  test("concurrent takes share the jobs among them", async (s) => {
    await s.push(...messages(100));
    const brokers = [s.broker, await s.store.second()];
    const taken = await Promise.all(
      Array.from(
        { length: 10 },
        (_, i) => brokers[i % 2].take(s.queue, 15, 99_999),
      ),
    );
    const all = taken.flatMap(({ messages }) => messages);
    assert.deepEqual(all.sort(), messages(100).sort());
  });

  test("take moves 1,000 jobs in one call", async (s) => {
    const all = messages(1100);
    await s.push(...all);
    assert.deepEqual(
      (await s.broker.take(s.queue, 1000, 1024 * 1024)).messages,
      all.slice(0, 1000),
    );
    await s.counts({ ready: 100 });
  });

  test(
    "take puts a message that is too large into the failed set instead",
    async (s) => {
      await s.push("before", "x".repeat(8001), "after");
      assert.deepEqual((await s.broker.take(s.queue, 9, 99_999)).messages, [
        "before",
        "after",
      ]);
      await s.counts({ failed: 1 });
    },
    { messageBytes: 8000 },
  );

  test("record stores outcomes and tells those who wait", async (s) => {
    const ids = Array.from({ length: 1000 }, () => s.newId());
    const heard: number[] = [];
    const reader = await s.store.second();
    await using _watch = await reader.watchResults(
      s.queue,
      s.producer,
      (numbers = []) => heard.push(...numbers),
    );
    await s.broker.record(
      s.queue,
      ids.map((id, i) => ({ id, outcome: `${i}` })),
    );
    assert.deepEqual(
      await reader.results(s.queue, ids),
      ids.map((_, i) => `${i}`),
    );
    await eventually(() => assert.equal(new Set(heard).size, 1000));
  });

  test("record of nothing changes nothing", async (s) => {
    await s.broker.record(s.queue, []);
    await s.counts({});
  });
}
