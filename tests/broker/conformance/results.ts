import assert from "node:assert/strict";
import { eventually } from "../../harness/eventually.ts";
import type { Scene, Test } from "./scene.ts";

const HOUR_MS = 3_600_000;

/** Cases of `results`, `watchResults`, and of the limits of what is kept. */
export function resultsCases(test: Test): void {
  test("results answers in the order of the ids, null where there is none", async (s) => {
    const [a, b, c] = [s.newId(), s.newId(), s.newId()];
    await s.broker.record(s.queue, [
      { id: a, outcome: "1" },
      { id: c, outcome: "" },
    ]);
    assert.deepEqual(
      await s.broker.results(s.queue, [c, "nobody.7", b, a, c]),
      ["", null, null, "1", ""],
    );
    assert.deepEqual(await s.broker.results(s.queue, []), []);
    assert.deepEqual(await s.broker.results(s.queue + "x", [a]), [null]);
  });

  test("a job's number may be anything that an id allows", async (s) => {
    const ids = ["0", "127", "128", "999999999999999"].map((n) =>
      `${s.producer}.${n}`
    );
    await s.broker.record(s.queue, ids.map((id) => ({ id, outcome: id })));
    assert.deepEqual(await s.broker.results(s.queue, ids), ids);
  });

  test("producers with equal numbers, or names that begin alike, are told apart", async (s) => {
    const ids = ["", "x", "-1", "_1"].map((end) => `${s.producer}${end}.1`);
    await s.broker.record(s.queue, ids.map((id) => ({ id, outcome: id })));
    assert.deepEqual(await s.broker.results(s.queue, ids), ids);
  });

  test("who watches hears, over another connection, the numbers of jobs that ended", async (s) => {
    const reader = await s.store.second();
    const heard: number[] = [];
    await using _watch = await reader.watchResults(
      s.queue,
      s.producer,
      (numbers = []) => heard.push(...numbers),
    );
    const ids = await s.push("a", "b", "c");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle({
      kind: "done",
      token: tokens[1],
      id: ids[1],
      outcome: "",
    });
    await eventually(() => assert.deepEqual(heard, [1]));
    await worker.settle(
      { kind: "done", token: tokens[2], id: ids[2], outcome: "3" },
      {
        kind: "failed",
        token: tokens[0],
        entry: "f",
        id: ids[0],
        outcome: "!",
      },
    );
    await eventually(() =>
      assert.deepEqual(new Set(heard), new Set([0, 1, 2]))
    );
  });

  test("an outcome is there to be read when who watches hears of it", async (s) => {
    const reader = await s.store.second();
    const read: Promise<(string | null)[]>[] = [];
    await using _watch = await reader.watchResults(
      s.queue,
      s.producer,
      (numbers = []) => {
        const ids = numbers.map((n) => `${s.producer}.${n}`);
        read.push(reader.results(s.queue, ids));
      },
    );
    for (let i = 0; i < 20; i++) {
      await s.broker.record(s.queue, [{ id: s.newId(), outcome: `${i}` }]);
    }
    await eventually(() => assert.ok(read.length > 0));
    await eventually(async () => {
      const values = (await Promise.all(read)).flat();
      assert.ok(values.length >= 20 && !values.includes(null));
    });
  });

  test("nothing that is stored after a watch began can be missed", async (s) => {
    const writer = await s.store.second();
    for (let round = 0; round < 10; round++) {
      const id = s.newId();
      let heard = false;
      await using _watch = await s.broker.watchResults(
        s.queue,
        s.producer,
        () => heard = true,
      );
      await writer.record(s.queue, [{ id, outcome: "1" }]);
      await eventually(() => heard, 5000);
    }
  });

  test("who watches one producer or queue does not hear of others", async (s) => {
    const heard: unknown[] = [];
    const hear = (numbers?: readonly number[]) => heard.push(numbers);
    await using _other = await s.broker.watchResults(
      s.queue,
      s.producer + "x",
      hear,
    );
    await using _queue = await s.broker.watchResults(
      s.queue + "x",
      s.producer,
      hear,
    );
    await settleAndHear(s);
    assert.deepEqual(heard, []);
  });

  test("several may watch one producer, and each ends by itself", async (s) => {
    const heard = [0, 0];
    const first = await s.broker.watchResults(
      s.queue,
      s.producer,
      () => heard[0]++,
    );
    await using _second = await s.broker.watchResults(
      s.queue,
      s.producer,
      () => heard[1]++,
    );
    await settleAndHear(s);
    await eventually(() => assert.ok(heard[0] > 0 && heard[1] > 0));
    await first[Symbol.asyncDispose]();
    const before = [...heard];
    await settleAndHear(s);
    await eventually(() => assert.ok(heard[1] > before[1]));
    assert.equal(heard[0], before[0]);
  });

  test("outcomes are kept for an hour after they were stored", async (s) => {
    const [a, b] = [`${s.producer}a.1`, `${s.producer}b.1`];
    await s.broker.record(s.queue, [{ id: a, outcome: "1" }]);
    await s.pass(HOUR_MS / 2);
    await s.broker.record(s.queue, [{ id: b, outcome: "2" }]);
    await s.pass(HOUR_MS / 2 - 1);
    assert.deepEqual(await s.broker.results(s.queue, [a, b]), ["1", "2"]);
    await s.pass(TICK_AND_MORE_MS);
    await eventually(async () =>
      assert.deepEqual(await s.broker.results(s.queue, [a, b]), [null, "2"])
    );
    await s.pass(HOUR_MS / 2);
    await eventually(async () =>
      assert.deepEqual(await s.broker.results(s.queue, [a, b]), [null, null])
    );
  });

  test(
    "the oldest outcomes leave when more are kept than the limit",
    async (s) => {
      const ids = Array.from({ length: 60 }, (_, i) => `${s.producer}-${i}.1`);
      for (const id of ids) {
        await s.store.advance(1);
        await s.broker.record(s.queue, [{ id, outcome: "1" }]);
      }
      await eventually(async () => {
        await s.tick();
        const kept = (await s.broker.results(s.queue, ids)).map((r) =>
          r !== null
        );
        assert.ok(kept.filter((is) => is).length <= 20);
        assert.equal(kept.at(-1), true, "the newest one stays");
      });
    },
    { results: 20 },
  );

  test(
    "the oldest outcomes leave when they are larger than the limit together",
    async (s) => {
      const ids = Array.from({ length: 40 }, (_, i) => `${s.producer}-${i}.1`);
      for (const id of ids) {
        await s.store.advance(1);
        await s.broker.record(s.queue, [{ id, outcome: "x".repeat(1000) }]);
      }
      await eventually(async () => {
        await s.tick();
        const kept = (await s.broker.results(s.queue, ids)).map((r) =>
          r !== null
        );
        assert.ok(kept.filter((is) => is).length <= 20);
        assert.equal(kept.at(-1), true, "the newest one stays");
      });
    },
    { resultBytes: 20_000 },
  );
}

const TICK_AND_MORE_MS = 1001;

/** Stores an outcome, and waits until one who watches for it has heard. */
async function settleAndHear(s: Scene): Promise<void> {
  const id = s.newId();
  const number = Number(id.split(".")[1]);
  let heard = false;
  await using _watch = await s.broker.watchResults(
    s.queue,
    s.producer,
    (numbers) => heard ||= numbers === undefined || numbers.includes(number),
  );
  await s.broker.record(s.queue, [{ id, outcome: "1" }]);
  await eventually(() => heard);
}
