import assert from "node:assert/strict";
import type { JobState } from "../../../src/broker/inspector.ts";
import { messages, type Scene, type Test } from "./scene.ts";

/** Cases of the inspector: taking jobs out, and making them due. */
export function changeCases(test: Test): void {
  test("remove takes one job out of each state but held, once", async (s) => {
    await s.leave({ suspects: ["s1", "s2"] });
    await s.push("x1", "x2", "r1", "r2", "r3");
    await s.broker.enqueue(["l1", "l2"].map((message) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      delayMs: 9000,
    })));
    await retry(s, "a1", "a2");
    await s.counts({ suspect: 2, ready: 3, scheduled: 2, retry: 2 });
    for (const state of ["suspect", "ready", "scheduled", "retry"] as const) {
      const [, last] = await s.jobs(state);
      assert.equal(await s.inspector.remove(last), true, state);
      assert.equal(await s.inspector.remove(last), false, state);
    }
    await s.counts({ suspect: 1, ready: 2, scheduled: 1, retry: 1 });
    assert.deepEqual(await s.drain(), ["r1", "r3", "s1"]);
  });

  test("a crashed job can be removed", async (s) => {
    await s.leave({ crashed: ["c1"], suspects: ["s1"] });
    const [crashed] = await s.jobs("crashed");
    assert.equal(await s.inspector.remove(crashed), true);
    await s.counts({ suspect: 1 });
  });

  test("what a worker holds is neither removed nor made due", async (s) => {
    await s.push("a");
    const [ready] = await s.jobs("ready");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    const [held] = await s.jobs("held");
    for (const record of [ready, held]) {
      assert.equal(await s.inspector.remove(record), false);
      assert.equal(await s.inspector.hasten(record), false);
    }
    assert.equal(await worker.done(...tokens), 1);
  });

  test("a job that has woken a worker waits as others do: listed, next, removed", async (s) => {
    const waiting = s.broker.wait([s.queue], AbortSignal.timeout(10_000));
    await s.push("first");
    await waiting;
    await s.push("second");
    const [first, ...others] = await s.jobs("ready");
    assert.deepEqual([first.text, others.length], ["first", 1]);
    assert.equal((await s.inspector.look([s.queue]))[0].next, "first");
    assert.equal(await s.inspector.remove(first), true);
    await s.counts({ ready: 1 });
  });

  test("of equal messages one is removed", async (s) => {
    await s.push("same", "same", "other", "same");
    const records = await s.jobs("ready");
    assert.equal(await s.inspector.remove(records[1]), true);
    assert.equal((await s.drain()).join(" ").match(/same/g)?.length, 2);
  });

  test("a list that is emptied while it is read leaves nothing out", async (s) => {
    const all = messages(1300);
    await s.push(...all);
    await s.broker.enqueue(all.map((message) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      delayMs: 60_000,
    })));
    // All of the first pages, and half of the others.
    const goes = (text: string) =>
      Number(text.slice(1)) < 1000 || text.endsWith("7");
    for (const state of ["ready", "scheduled"] as const) {
      const seen: string[] = [];
      const removing: Promise<boolean>[] = [];
      for await (const record of s.inspector.jobs(s.queue, state)) {
        seen.push(record.text);
        if (goes(record.text)) removing.push(s.inspector.remove(record));
        if (seen.length % 50 === 0) await Promise.all(removing);
      }
      assert.ok((await Promise.all(removing)).every((removed) => removed));
      assert.deepEqual(seen.toSorted(), all.toSorted(), state);
      assert.deepEqual(
        (await s.jobs(state)).map(({ text }) => text).toSorted(),
        all.filter((text) => !goes(text)),
      );
    }
  });

  test("a scheduled or retrying job that is made due runs at the next step", async (s) => {
    await s.push("x1", "x2");
    await s.broker.enqueue(["l1", "l2"].map((message) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      delayMs: 9000,
    })));
    await retry(s, "a1", "a2");
    const due = async (state: JobState, wanted: string) => {
      const record = (await s.jobs(state)).find(({ text }) => text === wanted)!;
      assert.equal(await s.inspector.hasten(record), true, wanted);
    };
    await due("scheduled", "l2");
    await due("retry", "a2");
    await s.counts({ scheduled: 2, retry: 2 });
    await s.pass(0);
    await s.counts({ ready: 1, suspect: 1, scheduled: 1, retry: 1 });
    assert.deepEqual(await s.drain(), ["l2", "a2"]);
  });

  test("a job that was moved already is not made due", async (s) => {
    await s.broker.enqueue([
      { id: s.newId(), queue: s.queue, message: "a", delayMs: 1000 },
    ]);
    const [record] = await s.jobs("scheduled");
    await s.pass(1000);
    assert.equal(await s.inspector.hasten(record), false);
    assert.equal(await s.inspector.remove(record), false);
    await s.counts({ ready: 1 });
  });

  test("a list whose jobs are made due while it is read has each once", async (s) => {
    await s.broker.enqueue(
      messages(1300).map((message, i) => ({
        id: s.newId(),
        queue: s.queue,
        message,
        atMs: s.store.nowMs() + 60_000 + i,
      })),
    );
    const seen: string[] = [];
    const moving: Promise<boolean>[] = [];
    for await (const record of s.inspector.jobs(s.queue, "scheduled")) {
      seen.push(record.text);
      moving.push(s.inspector.hasten(record));
      if (seen.length % 50 === 0) await Promise.all(moving);
    }
    assert.ok((await Promise.all(moving)).every((moved) => moved));
    assert.deepEqual(seen, messages(1300));
  });
}

/** Of two ready jobs makes one that is tried again, and one alone. */
async function retry(s: Scene, first: string, alone: string): Promise<void> {
  const worker = s.worker();
  const { tokens } = await worker.reserve({ limit: 2, idle: false });
  await worker.settle(
    { kind: "retry", token: tokens[0], message: first, delayMs: 9000 },
    {
      kind: "retry",
      token: tokens[1],
      message: alone,
      delayMs: 9000,
      alone: true,
    },
  );
}
