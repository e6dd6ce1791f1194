import assert from "node:assert/strict";
import type { Settlement } from "../../../src/broker/broker.ts";
import { JOB_STATES } from "../../../src/broker/inspector.ts";
import { messages, type Scene, type Test } from "./scene.ts";

/** Cases of the inspector: looking at queues, jobs, outcomes and workers. */
export function lookCases(test: Test): void {
  test("a look at a queue has its counts, the job that is next, and what left", async (s) => {
    await s.push("a", "b", "c", "d", "e", "f");
    const worker = s.worker();
    const { tokens } = await worker.reserve({ limit: 4 });
    await worker.settle(
      { kind: "done", token: tokens[0] },
      { kind: "done", token: tokens[1], id: s.newId(), outcome: "1" },
      { kind: "failed", token: tokens[2], entry: "x" },
      { kind: "retry", token: tokens[3], message: "d2", delayMs: 9000 },
    );
    const [look, never] = await s.inspector.look([s.queue, s.queue + "-no"]);
    const { counts, ...rest } = look;
    assert.deepEqual({ ...rest }, {
      queue: s.queue,
      done: 2,
      failed: 1,
      paused: false,
      next: "e",
    });
    await s.broker.control.pause(s.queue);
    assert.equal((await s.inspector.look([s.queue]))[0].paused, true);
    await s.broker.control.resume(s.queue);
    assert.deepEqual({ ...counts }, {
      ...(await s.broker.counts([s.queue]))[0],
    });
    assert.deepEqual([counts.ready, counts.failed], [2, 1]);
    assert.deepEqual([never.done, never.failed, never.next], [
      0,
      0,
      undefined,
    ]);
    assert.deepEqual(await s.inspector.look([]), []);
  });

  test("what was settled before, or by nobody, is not counted again", async (s) => {
    await s.push("a", "b");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    const settlements = tokens.map((token): Settlement => ({
      kind: "done",
      token,
    }));
    await worker.settle(settlements[0]);
    await worker.settle(...settlements, { kind: "done", token: "999:9" });
    assert.equal((await s.inspector.look([s.queue]))[0].done, 2);
  });

  test("what fast mode takes has left", async (s) => {
    await s.push("a", "b", "c");
    await s.broker.take(s.queue, 2, 1000);
    await s.broker.take(s.queue + "-no", 2, 1000);
    const [{ done, next }] = await s.inspector.look([s.queue]);
    assert.deepEqual([done, next], [2, "c"]);
  });

  test("jobs are listed state by state, with what is known of them", async (s) => {
    const { worker, nowMs } = await oneOfEach(s);
    const listed: Record<string, unknown[]> = {};
    for (const state of JOB_STATES) {
      listed[state] = (await s.jobs(state)).map((record) => {
        assert.deepEqual([record.queue, record.state], [s.queue, state]);
        const { text, atMs, worker } = record;
        return [text, atMs === undefined ? undefined : atMs - nowMs, worker];
      });
    }
    assert.deepEqual(listed, {
      scheduled: [["later", 9000, undefined]],
      ready: [["r1", undefined, undefined], ["r2", undefined, undefined]],
      suspect: [["s1", undefined, undefined], ["s2", undefined, undefined]],
      blocked: [],
      crashed: [],
      held: [["h1", undefined, worker], ["h2", undefined, worker]],
      retry: [["again", 5000, undefined], ["alone", 7000, undefined]],
      failed: [["entry", 0, undefined]],
    });
  });

  test("crashed jobs are listed too", async (s) => {
    await s.leave({ crashed: ["c1"], suspects: ["s1"] });
    assert.deepEqual((await s.jobs("crashed")).map(({ text }) => text), ["c1"]);
  });

  test("long lists are read page by page, whole and in order", async (s) => {
    const all = messages(2500);
    await s.push(...all);
    assert.deepEqual((await s.jobs("ready")).map(({ text }) => text), all);
    await s.broker.enqueue(all.map((message, i) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      atMs: s.store.nowMs() + 60_000 + i,
    })));
    assert.deepEqual((await s.jobs("scheduled")).map(({ text }) => text), all);
    const worker = s.worker();
    await worker.reserve({ limit: 1000 });
    await worker.reserve({ limit: 1000 });
    assert.deepEqual(
      new Set((await s.jobs("held")).map(({ text }) => text)),
      new Set(all.slice(0, 2000)),
    );
  });

  test("long messages are read a few at a time", async (s) => {
    const all = messages(9).map((text) => text + "x".repeat(300_000));
    await s.push(...all);
    assert.deepEqual((await s.jobs("ready")).map(({ text }) => text), all);
  });

  test("while workers take jobs, none that stays is left out of a list", async (s) => {
    await s.push(...messages(2500));
    const seen: string[] = [];
    for await (const { text } of s.inspector.jobs(s.queue, "ready")) {
      seen.push(text);
      if (seen.length === 900) await s.broker.take(s.queue, 700, 1e6);
    }
    assert.deepEqual(seen, messages(2500));
    seen.length = 0;
    for await (const { text } of s.inspector.jobs(s.queue, "ready")) {
      seen.push(text);
      if (seen.length === 500) {
        await s.broker.take(s.queue, 1000, 1e6);
        await s.broker.take(s.queue, 300, 1e6);
      }
    }
    assert.deepEqual(seen.slice(-500), messages(2500).slice(-500));
  });

  test("while due jobs move, none that stays is left out of a list", async (s) => {
    const later = (message: string, delayMs: number) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      delayMs,
    });
    await s.broker.enqueue(
      messages(2500).map((text, i) => later(text, i < 600 ? 1000 : 60_000 + i)),
    );
    const seen: string[] = [];
    for await (const { text } of s.inspector.jobs(s.queue, "scheduled")) {
      seen.push(text);
      if (seen.length === 700) await s.pass(2000);
    }
    await s.counts({ ready: 600, scheduled: 1900 });
    assert.deepEqual(seen.slice(-1800), messages(2500).slice(-1800));
  });

  test("the outcome of a job is found, and null while there is none", async (s) => {
    const [id] = await s.push("a");
    assert.equal(await s.inspector.outcome(s.queue, id), null);
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle({ kind: "done", token: tokens[0], id, outcome: "7" });
    assert.equal(await s.inspector.outcome(s.queue, id), "7");
    assert.equal(await s.inspector.outcome(s.queue + "-no", id), null);
  });

  test("a worker is known by what it last reported, until it withdraws that", async (s) => {
    const { name } = s.worker();
    const mine = async () =>
      (await s.inspector.workers()).filter((worker) => worker.name === name);
    assert.deepEqual(await mine(), []);
    await s.broker.report(name, { pid: "7", done: "1" });
    await s.broker.report(name, { pid: "7", done: "2" });
    const [worker, ...others] = await mine();
    assert.deepEqual(others, []);
    assert.deepEqual({ ...worker.health }, { pid: "7", done: "2" });
    assert.ok(worker.ageMs >= 0 && worker.ageMs < 5000, String(worker.ageMs));
    await s.broker.report(name, {});
    assert.deepEqual(await mine(), []);
  });
}

/** Jobs in every state but crashed. */
async function oneOfEach(
  s: Scene,
): Promise<{ worker: string; nowMs: number }> {
  await s.leave({ suspects: ["s1", "s2"] });
  await s.push("x1", "x2", "x3", "h1", "h2", "r1", "r2");
  await s.broker.enqueue([
    { id: s.newId(), queue: s.queue, message: "later", delayMs: 9000 },
  ]);
  const worker = s.worker();
  const { tokens } = await worker.reserve({ limit: 3, idle: false });
  await worker.settle(
    { kind: "retry", token: tokens[0], message: "again", delayMs: 5000 },
    {
      kind: "retry",
      token: tokens[1],
      message: "alone",
      delayMs: 7000,
      alone: true,
    },
    { kind: "failed", token: tokens[2], entry: "entry" },
  );
  await worker.reserve({ limit: 2, idle: false });
  return { worker: worker.name, nowMs: s.store.nowMs() };
}
