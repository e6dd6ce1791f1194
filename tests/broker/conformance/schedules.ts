import assert from "node:assert/strict";
import type { Broker } from "../../../src/broker/broker.ts";
import type { Firing, StoredSchedule } from "../../../src/broker/schedules.ts";
import { decodeMessage } from "../../../src/job/message.ts";
import {
  encodeSchedule,
  type ScheduleSpec,
} from "../../../src/job/schedule.ts";
import { ScheduleFirer } from "../../../src/worker/schedule_firer.ts";
import { messages, type Scene, type Test } from "./scene.ts";

const HOUR_MS = 3_600_000;
const NEVER_ABORTED = new AbortController().signal;

/** Cases of schedules: what is stored, and what is fired. */
export function schedulesCases(test: Test): void {
  storedCases(test);
  firingCases(test);
  workerCases(test);
}

function storedCases(test: Test): void {
  test("a schedule that is defined is found and listed, and its queue known", async (s) => {
    assert.deepEqual(await s.broker.schedules.find(s.queue, "a"), {
      nowMs: s.store.nowMs(),
    });
    const b = await define(s, "b", { nextMs: s.store.nowMs() + 5000 });
    const a = await define(s, "a", { nextMs: Infinity, definition: "{}" });
    assert.deepEqual(await find(s, "b"), b);
    assert.deepEqual(await s.broker.schedules.list(s.queue), [a, b]);
    assert.ok((await s.broker.queues()).includes(s.queue));
    const all = await s.broker.schedules.list();
    assert.deepEqual(all.filter(({ queue }) => queue === s.queue), [a, b]);
    await s.counts({});
  });

  test("the same name on two queues is two schedules", async (s) => {
    const { schedules } = s.broker;
    const here = await define(s, "a", { nextMs: 1 });
    const there = { ...here, queue: s.queue + "x", definition: "other" };
    await schedules.define(there);
    assert.equal(await schedules.remove(there.queue, "a"), true);
    assert.deepEqual(await schedules.list(there.queue), []);
    assert.deepEqual(await schedules.list(s.queue), [here]);
  });

  test("a schedule that is defined again as it is keeps its next due time", async (s) => {
    const first = await define(s, "a", { nextMs: 1000 });
    await define(s, "a", { nextMs: 2000 });
    assert.deepEqual(await find(s, "a"), first);
    const changed = await define(s, "a", { nextMs: 2000, definition: "new" });
    assert.deepEqual(await find(s, "a"), changed);
    assert.equal((await s.broker.schedules.list(s.queue)).length, 1);
  });

  test("many schedules are listed, each once", async (s) => {
    await Promise.all(
      messages(250, "s").map((name, i) => define(s, name, { nextMs: i })),
    );
    const listed = await s.broker.schedules.list(s.queue);
    assert.deepEqual(
      listed.map(({ name }) => name),
      messages(250, "s").sort(),
    );
  });

  test("a paused schedule is not due, also if it is changed, until it is resumed", async (s) => {
    const { schedules } = s.broker;
    const nextMs = s.store.nowMs();
    const stored = await define(s, "a", { nextMs });
    assert.equal((await s.broker.reap(s.queue)).schedulesDue, true);
    assert.equal(await schedules.pause(s.queue, "a"), true);
    assert.equal((await s.broker.reap(s.queue)).schedulesDue, false);
    const changed = await define(s, "a", { nextMs, definition: "new" });
    assert.equal((await find(s, "a"))?.nextMs, undefined);
    assert.deepEqual((await schedules.due(s.queue)).schedules, []);
    assert.equal(await schedules.resume(stored, nextMs), false, "it changed");
    assert.equal(await schedules.resume(changed, nextMs), true);
    assert.deepEqual((await schedules.due(s.queue)).schedules, [changed]);
    assert.equal(await schedules.resume(changed, nextMs + 9), true);
    assert.equal((await find(s, "a"))?.nextMs, nextMs, "it was not paused");
  });

  test("a name that nobody defined can't be paused, resumed or removed", async (s) => {
    const { schedules } = s.broker;
    const stored = await define(s, "a", { nextMs: s.store.nowMs() });
    assert.equal(await schedules.remove(s.queue, "a"), true);
    assert.equal((await s.broker.reap(s.queue)).schedulesDue, false);
    assert.equal(await schedules.remove(s.queue, "a"), false);
    assert.equal(await schedules.pause(s.queue, "a"), false);
    assert.equal(await schedules.resume(stored, 1), false);
    assert.equal(await find(s, "a"), undefined);
  });
}

function firingCases(test: Test): void {
  test("a schedule is due from its time on, and fires jobs at the end of ready", async (s) => {
    const nextMs = s.store.nowMs() + 1000;
    const stored = await define(s, "a", { nextMs });
    await s.push("before");
    await s.store.advance(999);
    assert.equal((await s.broker.reap(s.queue)).schedulesDue, false);
    assert.deepEqual((await s.broker.schedules.due(s.queue)).schedules, []);
    await s.store.advance(1);
    assert.equal((await s.broker.reap(s.queue)).schedulesDue, true);
    assert.deepEqual(await s.broker.schedules.due(s.queue), {
      nowMs: nextMs,
      schedules: [stored],
    });
    const firing = { messages: ["one", "two"], nextMs: nextMs + HOUR_MS };
    assert.equal(await fire(s, { schedule: stored, ...firing }), 1);
    assert.equal((await s.broker.reap(s.queue)).schedulesDue, false);
    assert.equal((await find(s, "a"))?.nextMs, nextMs + HOUR_MS);
    await s.counts({ ready: 3 });
    assert.deepEqual(await s.drain(), ["before", "one", "two"]);
  });

  test("of many that fire the same due time a single one does", async (s) => {
    const brokers = [s.broker, await s.store.second()];
    const nextMs = s.store.nowMs();
    const firings = await Promise.all(
      messages(20, "s").map(async (name): Promise<Firing> => ({
        schedule: await define(s, name, { nextMs }),
        messages: [name],
        nextMs: nextMs + 1000,
      })),
    );
    const fired = await Promise.all(
      Array.from(
        { length: 10 },
        (_, i) => brokers[i % 2].schedules.fire(s.queue, firings),
      ),
    );
    assert.equal(fired.reduce((sum, count) => sum + count, 0), 20);
    await s.counts({ ready: 20 });
    assert.equal(new Set(await s.drain()).size, 20);
  });

  test("of a schedule with a unique key only one job is there at a time", async (s) => {
    const nextMs = s.store.nowMs();
    const fireAt = async (atMs: number) => {
      const schedule = { ...await define(s, "a", { nextMs }), nextMs: atMs };
      return await fire(s, {
        schedule,
        messages: [`at ${atMs - nextMs}`],
        ties: [{ id: `a.${atMs}`, unique: "k", group: "g" }],
        nextMs: atMs + 1000,
      });
    };
    assert.equal(await fireAt(nextMs), 1);
    assert.equal(await fireAt(nextMs + 1000), 1, "it fired, without a job");
    await s.counts({ ready: 1 });
    const worker = s.worker();
    const { tokens: [token], messages: [text] } = await worker.reserve();
    assert.equal(text, "at 0");
    const ties = { id: `a.${nextMs}`, unique: "k", group: "g" };
    await worker.settle({ kind: "done", token, ties });
    assert.equal(await fireAt(nextMs + 2000), 1);
    const cancelled = { id: `a.${nextMs + 2000}`, dueMs: 0, outcome: "^" };
    await s.broker.cancel(s.queue, [cancelled]);
    assert.equal(await fireAt(nextMs + 3000), 1, "the last one never runs");
    assert.deepEqual(await s.drain(), ["at 2000", "at 3000"]);
  });

  test("what was fired, paused, changed or removed since does not fire", async (s) => {
    const { schedules } = s.broker;
    const nextMs = s.store.nowMs();
    const define4 = (name: string) => define(s, name, { nextMs });
    const [fired, paused, changed, removed] = await Promise.all(
      ["fired", "paused", "changed", "removed"].map(define4),
    );
    const late = [fired, paused, changed, removed].map((schedule) => ({
      schedule,
      messages: [schedule.name],
      nextMs: nextMs + 2000,
    }));
    assert.equal(await fire(s, { ...late[0], nextMs: nextMs + 1000 }), 1);
    await schedules.pause(s.queue, "paused");
    await define(s, "changed", { nextMs, definition: "new" });
    await schedules.remove(s.queue, "removed");
    assert.equal(await fire(s, ...late), 0);
    assert.equal((await find(s, "fired"))?.nextMs, nextMs + 1000);
    assert.equal((await find(s, "paused"))?.nextMs, undefined);
    assert.equal((await find(s, "changed"))?.nextMs, nextMs);
    assert.equal(await find(s, "removed"), undefined);
    assert.deepEqual(await s.drain(), ["fired"]);
  });

  test("a schedule that is never due again stays, and is not paused", async (s) => {
    const nextMs = s.store.nowMs();
    const schedule = await define(s, "a", { nextMs });
    await fire(s, { schedule, messages: ["last"], nextMs: Infinity });
    await s.store.advance(1000 * HOUR_MS);
    assert.equal((await s.broker.reap(s.queue)).schedulesDue, false);
    assert.equal((await find(s, "a"))?.nextMs, Infinity);
    assert.equal((await s.broker.schedules.list(s.queue))[0].nextMs, Infinity);
  });

  test("of many that are due the oldest come first, a hundred at a time", async (s) => {
    const nowMs = s.store.nowMs();
    await Promise.all(
      messages(150, "s").map((name, i) =>
        define(s, name, { nextMs: nowMs - i })
      ),
    );
    const { schedules } = await s.broker.schedules.due(s.queue);
    assert.deepEqual(
      schedules.map(({ nextMs }) => nextMs),
      Array.from({ length: 100 }, (_, i) => nowMs - 149 + i),
    );
  });

  test("large schedules that are due are not answered all at once", async (s) => {
    const definition = "x".repeat(400_000);
    await Promise.all(
      messages(5).map((name) => define(s, name, { nextMs: 1, definition })),
    );
    const { schedules } = await s.broker.schedules.due(s.queue);
    assert.equal(schedules.length, 2);
  });
}

function workerCases(test: Test): void {
  test("workers that fire at once give each due time one job", async (s) => {
    const brokers = [s.broker, await s.store.second()];
    const firers = Array.from({ length: 6 }, (_, i) => firer(brokers[i % 2]));
    const startMs = await defineEvery(s, 1, {}, 20);
    for (let i = 0; i < 5; i++) {
      await s.store.advance(1000);
      await Promise.all(firers.map((one) => one(s)));
    }
    const ids = idsOf(await s.drain());
    const expected = messages(20, "s").flatMap((name) =>
      [1, 2, 3, 4, 5].map((n) => `${name}.${startMs + n * 1000}`)
    );
    assert.deepEqual(ids.sort(), expected.sort());
  });

  test("a worker that comes a little late fires each due time", async (s) => {
    const startMs = await defineEvery(s, 1, { missed: "none" });
    await s.store.advance(15_999);
    await firer(s.broker)(s);
    assert.deepEqual(
      idsOf(await s.drain()),
      Array.from({ length: 15 }, (_, i) => `s0.${startMs + 1000 * (i + 1)}`),
    );
  });

  for (
    const [missed, jobs] of [["last", 1], ["all", 120], ["none", 0]] as const
  ) {
    test(`of an hour without workers "${missed}" gives ${jobs} jobs, and it goes on`, async (s) => {
      const startMs = await defineEvery(s, 30, { missed });
      await s.store.advance(HOUR_MS);
      const step = firer(s.broker);
      await step(s);
      const ids = idsOf(await s.drain());
      assert.equal(ids.length, jobs);
      assert.equal(new Set(ids).size, jobs);
      if (jobs > 0) assert.equal(ids.at(-1), `s0.${startMs + HOUR_MS}`);
      await s.store.advance(30_000);
      await step(s);
      assert.deepEqual(
        idsOf(await s.drain()),
        [`s0.${startMs + HOUR_MS + 30_000}`],
      );
    });
  }

  test("a clock that goes back fires no due time twice", async (s) => {
    const startMs = await defineEvery(s, 60, {});
    const step = firer(s.broker);
    const ids: (string | undefined)[] = [];
    for (const minutes of [1, 1, 1, -2, 1, 1, 1, 1]) {
      await s.store.advance(minutes * 60_000);
      await step(s);
      ids.push(...idsOf(await s.drain()));
    }
    assert.deepEqual(
      ids,
      [1, 2, 3, 4, 5].map((n) => `s0.${startMs + n * 60_000}`),
    );
  });

  test("a schedule that nobody can read does not stop the others", async (s) => {
    const startMs = await defineEvery(s, 1, {});
    await define(s, "bad", { nextMs: startMs, definition: '{"v":99}' });
    await s.store.advance(1000);
    await firer(s.broker)(s);
    assert.deepEqual(idsOf(await s.drain()), [`s0.${startMs + 1000}`]);
    assert.equal((await s.broker.reap(s.queue)).schedulesDue, false);
    assert.equal((await find(s, "bad"))?.nextMs, startMs + 61_000);
  });
}

async function define(
  s: Scene,
  name: string,
  { nextMs, definition = "old" }: {
    nextMs: number;
    definition?: string;
  },
): Promise<StoredSchedule> {
  const schedule = { queue: s.queue, name, definition, nextMs };
  await s.broker.schedules.define(schedule);
  return schedule;
}

/** Schedules `s0`, `s1`, ..., on a clock at a full hour. Answers with it. */
async function defineEvery(
  s: Scene,
  every: number,
  fields: Partial<ScheduleSpec>,
  count = 1,
): Promise<number> {
  await s.store.advance(HOUR_MS - s.store.nowMs() % HOUR_MS);
  const startMs = s.store.nowMs();
  const definition = encodeSchedule({ job: "./x.ts#f", every, ...fields });
  for (const name of messages(count, "s")) {
    await define(s, name, { nextMs: startMs + every * 1000, definition });
  }
  return startMs;
}

async function find(
  s: Scene,
  name: string,
): Promise<StoredSchedule | undefined> {
  return (await s.broker.schedules.find(s.queue, name)).schedule;
}

function fire(s: Scene, ...firings: Firing[]): Promise<number> {
  return s.broker.schedules.fire(s.queue, firings);
}

/** What a worker does in each step; until nothing is left, as it would. */
function firer(broker: Broker): (s: Scene) => Promise<void> {
  const own = new ScheduleFirer(broker.schedules);
  return async ({ queue }) => {
    while ((await broker.reap(queue)).schedulesDue) {
      await own.step(queue, NEVER_ABORTED);
    }
  };
}

function idsOf(texts: readonly string[]): (string | undefined)[] {
  return texts.map((text) => decodeMessage(text).id);
}
