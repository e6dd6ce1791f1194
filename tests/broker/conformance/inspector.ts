import assert from "node:assert/strict";
import type { Settlement } from "../../../src/broker/broker.ts";
import { messages, type Scene, type Test } from "./scene.ts";

const DAY_MS = 86_400_000;

/** Cases of the inspector: the failed set. */
export function inspectorCases(test: Test): void {
  test("the failed set is listed oldest first, with times and queue", async (s) => {
    const start = s.store.nowMs();
    await fail(s, "first");
    await s.store.advance(5000);
    await fail(s, "second");
    const records = await s.jobs("failed");
    assert.deepEqual(
      records.map(({ queue, atMs, text }) => [queue, atMs! - start, text]),
      [[s.queue, 0, "first"], [s.queue, 5000, "second"]],
    );
    assert.equal(new Set(records.map(({ key }) => key)).size, 2);
    assert.deepEqual(
      await Array.fromAsync(s.inspector.jobs(s.queue + "x", "failed")),
      [],
    );
  });

  test("a long failed set is listed whole, each entry once", async (s) => {
    await fail(s, ...messages(2300));
    const entries = (await s.jobs("failed")).map(({ text }) => text);
    assert.equal(entries.length, 2300);
    assert.equal(new Set(entries).size, 2300);
  });

  test("a failed set that is emptied while it is listed leaves nothing out", async (s) => {
    await fail(s, ...messages(1200));
    let removed = 0;
    for await (const record of s.inspector.jobs(s.queue, "failed")) {
      if (await s.inspector.remove(record)) removed++;
    }
    assert.equal(removed, 1200);
    await s.counts({});
  });

  test("replay puts the message at the end of its queue, once", async (s) => {
    await fail(s, "entry");
    await s.push("before");
    const [record] = await s.jobs("failed");
    assert.equal(await s.inspector.replay(record, "again"), "replayed");
    assert.equal(await s.inspector.replay(record, "again"), "gone");
    await s.counts({ ready: 2 });
    assert.deepEqual(await s.drain(), ["before", "again"]);
  });

  test("a job that is replayed is pending again: its outcome is forgotten", async (s) => {
    const [a, b] = await fail(s, "a", "b");
    const records = await s.jobs("failed");
    const record = records.find(({ text }) => text === "a")!;
    assert.equal(await s.inspector.replay(record, "a again", a), "replayed");
    assert.deepEqual(await s.broker.results(s.queue, [a, b]), [null, "!b"]);
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle({
      kind: "done",
      token: tokens[0],
      id: a,
      outcome: "1",
    });
    assert.equal(await s.result(a), "1");
  });

  test("a replay that comes too late forgets no outcome", async (s) => {
    const [id] = await fail(s, "a");
    const [record] = await s.jobs("failed");
    await s.inspector.remove(record);
    assert.equal(await s.inspector.replay(record, "again", id), "gone");
    assert.equal(await s.result(id), "!a");
    await s.counts({});
  });

  test("a job whose outcome is gone already is replayed as well", async (s) => {
    await fail(s, "a");
    const [record] = await s.jobs("failed");
    const id = `${s.producer}none.1`;
    assert.equal(await s.inspector.replay(record, "again", id), "replayed");
    await s.counts({ ready: 1 });
  });

  test("of concurrent replays of one entry a single one puts the job back", async (s) => {
    await fail(s, "a");
    const [record] = await s.jobs("failed");
    const answers = await Promise.all(
      messages(6).map((text) => s.inspector.replay(record, text)),
    );
    assert.equal(answers.filter((was) => was === "replayed").length, 1);
    await s.counts({ ready: 1 });
  });

  test("of a queue with groups the next job is seen as well", async (s) => {
    const entries = ["a", "b"].map((message) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      group: message,
    }));
    await s.broker.enqueue(entries);
    const [{ next }] = await s.inspector.look([s.queue]);
    assert.equal(next, "a");
  });

  test("remove takes an entry out of the failed set, once", async (s) => {
    await fail(s, "a", "b");
    const [first, second] = await s.jobs("failed");
    assert.equal(await s.inspector.remove(first), true);
    assert.equal(await s.inspector.remove(first), false);
    assert.deepEqual(await s.jobs("failed"), [second]);
    assert.equal(await s.inspector.replay(first, "x"), "gone");
    await s.counts({ failed: 1 });
  });

  test("the oldest entries leave a failed set that is full", async (s) => {
    for (const text of messages(8)) {
      await s.store.advance(1);
      await fail(s, text);
    }
    await s.tick();
    assert.deepEqual(
      (await s.jobs("failed")).map(({ text }) => text),
      messages(8).slice(3),
    );
    await s.counts({ failed: 5 });
  }, { failed: 5 });

  test("entries leave the failed set after 30 days", async (s) => {
    await fail(s, "old");
    await s.store.advance(DAY_MS);
    await fail(s, "young");
    await s.store.advance(29 * DAY_MS - 1);
    await s.broker.reap(s.queue);
    await s.counts({ failed: 2 });
    await s.tick();
    assert.deepEqual((await s.jobs("failed")).map(({ text }) => text), [
      "young",
    ]);
  });
}

/** Jobs that fail, each with its text as entry and, after "!", as outcome. */
async function fail(s: Scene, ...texts: string[]): Promise<string[]> {
  const ids = await s.push(...texts);
  const worker = s.worker();
  for (let i = 0; i < texts.length;) {
    const { tokens } = await worker.reserve();
    await worker.settle(...tokens.map((token): Settlement => {
      const text = texts[i];
      return {
        kind: "failed",
        token,
        entry: text,
        id: ids[i++],
        outcome: "!" + text,
      };
    }));
  }
  return ids;
}
