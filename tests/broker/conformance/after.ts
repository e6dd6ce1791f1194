import assert from "node:assert/strict";
import type { Predecessor } from "../../../src/broker/broker.ts";
import type { Scene, Test } from "./scene.ts";

/** Stores a job that waits for others. */
async function blocked(
  s: Scene,
  message: string,
  after: readonly Predecessor[],
): Promise<string> {
  const id = s.newId();
  await s.broker.enqueue([{ id, queue: s.queue, message, after }]);
  return id;
}

/** Stores a job on a queue of its own, as on another node. */
async function other(s: Scene, message: string): Promise<Predecessor> {
  const queue = `${s.queue}-${message}`;
  const id = s.newId();
  await s.broker.enqueue([{ id, queue, message }]);
  return { queue, id };
}

/** Runs a job of another queue. */
async function end(
  s: Scene,
  { queue, id }: Predecessor,
  outcome = "1",
): Promise<void> {
  const worker = `w-${crypto.randomUUID()}`;
  const request = { limit: 1, bytes: 9999, known: 0, idle: false };
  const { tokens: [token] } = await s.broker.reserve(worker, queue, request);
  await s.broker.settle(worker, queue, [{ kind: "done", token, id, outcome }]);
}

/** Cases of jobs that start after others. */
export function afterCases(test: Test): void {
  test("a job is ready once the last of those has ended for which it waits", async (s) => {
    const [a, b] = [await other(s, "a"), await other(s, "b")];
    await blocked(s, "after", [a, b]);
    await s.counts({ scheduled: 1 });
    await end(s, b);
    await s.counts({ scheduled: 1 });
    await end(s, a);
    await s.counts({ ready: 1 });
    assert.deepEqual(await s.drain(), ["after"]);
  });

  test("what has ended before is not waited for", async (s) => {
    const [a, b] = [await other(s, "a"), await other(s, "b")];
    await end(s, a);
    await blocked(s, "after a", [a]);
    assert.deepEqual(await s.drain(), ["after a"]);
    await blocked(s, "after both", [a, b]);
    await s.counts({ scheduled: 1 });
    await end(s, b);
    assert.deepEqual(await s.drain(), ["after both"]);
  });

  test("many jobs can wait for one, and one for a job of its own queue", async (s) => {
    const [first] = await s.push("first");
    const own = { queue: s.queue, id: first };
    const second = await blocked(s, "second", [own]);
    await blocked(s, "also second", [own, own]);
    await blocked(s, "third", [{ queue: s.queue, id: second }]);
    const worker = s.worker();
    const { tokens: [one] } = await worker.reserve();
    await worker.settle({ kind: "done", token: one, id: first, outcome: "" });
    const next = await worker.reserve();
    assert.deepEqual([...next.messages].sort(), ["also second", "second"]);
    await worker.settle({
      kind: "done",
      token: next.tokens[next.messages.indexOf("second")],
      id: second,
      outcome: "",
    });
    assert.deepEqual(await s.drain(), ["third"]);
  });

  test("a failure, a cancellation and an outcome of fast mode are ends as well", async (s) => {
    const jobs = [
      await other(s, "a"),
      await other(s, "b"),
      await other(s, "c"),
    ];
    await blocked(s, "after", jobs);
    const [a, b, c] = jobs;
    const request = { limit: 1, bytes: 9999, known: 0, idle: false };
    const { tokens: [token] } = await s.broker.reserve("w", a.queue, request);
    const outcome = '!{"error":{"name":"E","message":"m"},"attempts":1}';
    await s.broker.settle("w", a.queue, [
      { kind: "failed", token, entry: "entry", id: a.id, outcome },
    ]);
    await s.broker.cancel(b.queue, [{ id: b.id, dueMs: 0, outcome: "^" }]);
    await s.counts({ scheduled: 1 });
    await s.broker.take(c.queue, 1, 9999);
    await s.broker.record(c.queue, [{ id: c.id, outcome: "3" }]);
    assert.deepEqual(await s.drain(), ["after"]);
  });

  test("a failed attempt that is tried again is no end", async (s) => {
    const [id] = await s.push("first");
    await blocked(s, "after", [{ queue: s.queue, id }]);
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    await worker.settle({
      kind: "retry",
      token,
      message: "again",
      delayMs: 1000,
    });
    await s.counts({ retry: 1, scheduled: 1 });
  });

  test("one that is cancelled while it waits is gone, and those after it go on", async (s) => {
    const a = await other(s, "a");
    const id = await blocked(s, "after", [a]);
    await blocked(s, "last", [{ queue: s.queue, id }]);
    await s.broker.cancel(s.queue, [{ id, dueMs: 0, outcome: "^" }]);
    assert.deepEqual(await s.drain(), ["last"]);
    await end(s, a);
    await s.counts({});
    assert.deepEqual((await s.broker.cancelled(s.queue, 0)).ids, []);
  });

  test("a job of a group that waited gets in line of its group", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    const a = await other(s, "a");
    await s.broker.enqueue([
      { id: "g.1", queue: s.queue, message: "first", group: "g" },
      { id: "g.2", queue: s.queue, message: "second", group: "g", after: [a] },
    ]);
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    await end(s, a);
    assert.deepEqual([...(await worker.reserve()).messages], []);
    const ties = { id: "g.1", group: "g" };
    await worker.settle({ kind: "done", token, ties });
    assert.deepEqual([...(await worker.reserve()).messages], ["second"]);
  });

  test("one whose predecessor never ends is cancelled after 30 days", async (s) => {
    const never = { queue: s.queue, id: s.newId() };
    const id = await blocked(s, "after", [never]);
    await blocked(s, "last", [{ queue: s.queue, id }]);
    await s.pass(29 * 86_400_000);
    assert.equal(await s.result(id), null);
    await s.counts({ scheduled: 2 });
    await s.pass(2 * 86_400_000);
    assert.equal(await s.result(id), "^");
    // Who waits for that one goes on, if it was not given up in the same step.
    assert.equal((await s.drain()).includes("after"), false);
    await s.counts({});
  });

  test("one job can wait for a thousand", async (s) => {
    const entries = Array.from({ length: 1000 }, () => ({
      id: s.newId(),
      queue: s.queue,
      message: "m",
    }));
    await s.broker.enqueue(entries);
    await blocked(s, "last", entries);
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle(
      ...tokens.map((token, i) => ({
        kind: "done" as const,
        token,
        id: entries[i].id,
        outcome: "1",
      })),
    );
    assert.deepEqual(await s.drain(), ["last"]);
  });
}
