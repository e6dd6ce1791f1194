import assert from "node:assert/strict";
import type { UniqueKey } from "../../../src/broker/broker.ts";
import { eventually } from "../../harness/eventually.ts";
import type { Scene, Test } from "./scene.ts";

async function push(
  s: Scene,
  message: string,
  unique: Partial<UniqueKey> = {},
): Promise<{ id: string; stored: boolean }> {
  const own = s.newId();
  const [id] = await s.broker.enqueue([{
    id: own,
    queue: s.queue,
    message,
    unique: { key: "k", replace: false, ...unique },
  }]);
  return { id, stored: id === own };
}

/** Cases of unique keys. */
export function uniqueCases(test: Test): void {
  test("a second job with a unique key is not stored, and answers with the first one's id", async (s) => {
    const first = await push(s, "first");
    const second = await push(s, "second");
    const other = await push(s, "other", { key: "other" });
    assert.deepEqual(second, { id: first.id, stored: false });
    assert.ok(other.stored);
    assert.deepEqual(await s.drain(), ["first", "other"]);
  });

  test("a job has its unique key through attempts and crashes, until it has ended", async (s) => {
    const { id } = await push(s, "first");
    const ties = { id, unique: "k" };
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    await worker.settle({
      kind: "retry",
      token,
      message: "again",
      delayMs: 1000,
      ties,
    });
    assert.equal((await push(s, "x")).stored, false, "it is to be tried again");
    await s.pass(1000);
    await worker.reserve();
    await worker.die();
    assert.equal((await push(s, "x")).stored, false, "its worker died");
    const next = s.worker();
    const suspect = await next.reserve({ idle: true });
    await next.settle({ kind: "done", token: suspect.tokens[0], ties });
    assert.ok((await push(s, "x")).stored, "it has ended");
  });

  test("a job that failed for good has its unique key no more", async (s) => {
    const { id } = await push(s, "first");
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    const ties = { id, unique: "k" };
    await worker.settle({ kind: "failed", token, entry: "entry", ties });
    assert.ok((await push(s, "x")).stored);
  });

  test("a late settle does not let the unique key of another job go", async (s) => {
    const { id } = await push(s, "first");
    const ties = { id, unique: "k" };
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    await s.broker.unlock(s.queue, ties);
    const second = await push(s, "second");
    assert.ok(second.stored);
    await worker.settle({ kind: "done", token, ties });
    assert.equal((await push(s, "third")).id, second.id);
    await s.broker.unlock(s.queue, ties);
    assert.equal((await push(s, "third")).id, second.id);
  });

  test("a unique key of some seconds is free after them, whatever becomes of the job", async (s) => {
    const first = await push(s, "first", { seconds: 1 });
    assert.equal((await push(s, "x", { seconds: 1 })).id, first.id);
    assert.ok((await push(s, "y")).stored, "another kind of key");
    // The server counts these seconds by its own clock.
    await s.store.advance(1000);
    await eventually(async () => (await push(s, "z", { seconds: 1 })).stored);
  });

  test("a job that replaces another one has the key, and the other is cancelled", async (s) => {
    const first = await push(s, "first");
    const second = await push(s, "second", { replace: true });
    assert.ok(second.stored);
    assert.deepEqual([...(await s.broker.cancelled(s.queue, 0)).ids], [
      first.id,
    ]);
    assert.equal(await s.result(first.id), "^");
    assert.equal((await push(s, "third")).id, second.id);
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    // The first one is dropped: the key belongs to the second.
    await worker.settle({
      kind: "done",
      token: tokens[0],
      ties: { id: first.id, unique: "k" },
    });
    assert.equal((await push(s, "third")).id, second.id);
  });

  test("a job that is cancelled while it waits has its unique key no more", async (s) => {
    const first = await push(s, "first");
    const jobs = [{ id: first.id, dueMs: 0, outcome: "^" }];
    await s.broker.cancel(s.queue, jobs);
    const second = await push(s, "second");
    assert.ok(second.stored);
    assert.equal((await push(s, "third")).id, second.id);
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve({ limit: 1 });
    const ties = { id: first.id, unique: "k" };
    await worker.settle({ kind: "done", token, ties });
    assert.equal((await push(s, "third")).id, second.id, "it is the second's");
  });

  test("a job that had ended when another one took its key is not looked for", async (s) => {
    const first = await push(s, "first", { seconds: 60 });
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    const { id } = first;
    await worker.settle({ kind: "done", token, id, outcome: "1" });
    const second = await push(s, "second", { seconds: 60, replace: true });
    assert.ok(second.stored);
    assert.equal(await s.result(id), "1");
    assert.deepEqual((await s.broker.cancelled(s.queue, 0)).ids, []);
  });

  test("a job that is replaced long before its time never runs", async (s) => {
    const delayMs = 40 * 86_400_000;
    const entry = {
      queue: s.queue,
      delayMs,
      unique: { key: "k", replace: true },
    };
    const [first] = await s.broker.enqueue([
      { ...entry, id: s.newId(), message: "first" },
    ]);
    await s.broker.enqueue([{ ...entry, id: s.newId(), message: "second" }]);
    await s.pass(delayMs);
    assert.deepEqual((await s.broker.cancelled(s.queue, 0)).ids, [first]);
  });

  test("with an idempotency key as well, the first of both that is taken decides", async (s) => {
    const entry = { queue: s.queue, idempotencyKey: "i" };
    const unique = { key: "k", replace: false };
    const [first] = await s.broker.enqueue([
      { ...entry, id: s.newId(), message: "first", unique },
    ]);
    const [second] = await s.broker.enqueue([
      {
        ...entry,
        id: s.newId(),
        message: "x",
        unique: { ...unique, key: "l" },
      },
    ]);
    assert.equal(second, first);
    assert.ok((await push(s, "third", { key: "l" })).stored);
  });

  test("fast mode lets a unique key go when it takes the job", async (s) => {
    const id = s.newId();
    const message = `{"v":1,"id":"${id}","job":"x","args":[],` +
      `"unique":{"key":"k","until":"end"}}`;
    const unique = { key: "k", replace: false };
    await s.broker.enqueue([{ id, queue: s.queue, message, unique }]);
    assert.equal((await push(s, "x")).id, id);
    await s.drain();
    assert.ok((await push(s, "x")).stored);
  });

  test("fast mode does not take arguments for an id or a unique key", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    const unique = { key: "k", replace: false };
    const [running, id] = [s.newId(), s.newId()];
    const queue = s.queue;
    await s.broker.enqueue([
      { id: running, queue, message: "running", group: "g" },
    ]);
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    const args = [{ id: running, unique: { key: "other", until: "end" } }];
    const job = { job: "x", args, unique: { key: "k", until: "end" } };
    await s.broker.enqueue([
      { id, queue, message: JSON.stringify({ v: 1, id, ...job }), unique },
      { id: s.newId(), queue, message: JSON.stringify({ v: 1, args }) },
    ]);
    await s.drain();
    assert.ok((await push(s, "x")).stored, "its key is free");
    await s.drain();
    await s.broker.enqueue([
      { id: s.newId(), queue, message: "next", group: "g" },
    ]);
    assert.deepEqual([...(await s.worker().reserve()).messages], []);
    await worker.settle({
      kind: "done",
      token,
      ties: { id: running, group: "g" },
    });
    assert.deepEqual([...(await s.worker().reserve()).messages], ["next"]);
  });

  test("a job that is given up has its key and its place in its group no more", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    const id = s.newId();
    const unique = { key: "k", replace: false };
    const entry = { queue: s.queue, group: "g" };
    await s.broker.enqueue([
      { ...entry, id, message: "first", unique },
      { ...entry, id: "second.1", message: "second" },
    ]);
    const worker = s.worker();
    const putBack = async () => {
      const { tokens: [token], messages } = await worker.reserve();
      assert.deepEqual([...messages], ["first"]);
      await worker.settle({
        kind: "retry",
        token,
        message: "first",
        delayMs: 1000,
        giveUp: { afterMs: 1000, entry: "entry" },
        ties: { id, unique: "k", group: "g" },
      });
    };
    await putBack();
    const { tokens: [token], messages } = await worker.reserve();
    assert.deepEqual([...messages], ["second"]);
    const ties = { id: "second.1", group: "g" };
    await worker.settle({ kind: "done", token, ties });
    assert.equal((await push(s, "x")).id, id, "it waits, and has its key");
    await s.pass(1000);
    await putBack();
    await s.counts({ failed: 1, held: 0 });
    assert.ok((await push(s, "x")).stored);
  });

  test("of many who send a job with one unique key at once one stores it", async (s) => {
    const brokers = [s.broker, await s.store.second()];
    const sent = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        brokers[i % 2].enqueue([{
          id: `p${i}.1`,
          queue: s.queue,
          message: `m${i}`,
          unique: { key: "k", replace: false },
        }])),
    );
    assert.equal(new Set(sent.flat()).size, 1);
    assert.equal((await s.drain()).length, 1);
  });
}
