import assert from "node:assert/strict";
import type { Settlement } from "../../../src/broker/broker.ts";
import { messages, type Scene, type Test, type TestWorker } from "./scene.ts";

/** Stores jobs of a group, whose messages say which. */
async function push(s: Scene, group: string, n: number): Promise<void> {
  await s.broker.enqueue(
    messages(n, `${group}-`).map((text) => ({
      id: `${text}.1`,
      queue: s.queue,
      message: text,
      group,
    })),
  );
}

function done(token: string, message: string): Settlement {
  const ties = { id: `${message}.1`, group: message.split("-")[0] };
  return { kind: "done", token, ties };
}

/** Reserves, and answers with the messages. */
async function reserve(
  worker: TestWorker,
  limit = 1000,
): Promise<{ messages: string[]; end: () => Promise<number> }> {
  const { tokens, messages } = await worker.reserve({ limit });
  return {
    messages: [...messages],
    end: () =>
      worker.settle(...tokens.map((token, i) => done(token, messages[i]))),
  };
}

/** How many of these are of which group. */
function byGroup(texts: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts) {
    const group = text.split("-")[0];
    counts[group] = (counts[group] ?? 0) + 1;
  }
  return counts;
}

/** Cases of groups and their limits. */
export function groupsCases(test: Test): void {
  test("groups take turns, so that a large one does not starve a small one", async (s) => {
    await push(s, "large", 300);
    await push(s, "small", 1);
    await push(s, "other", 3);
    await s.counts({ ready: 304 });
    const { messages } = await reserve(s.worker(), 7);
    const { large, small, other } = byGroup(messages);
    // One may have been ready before the others came.
    assert.ok(large <= 4 && small === 1 && other >= 2, messages.join());
    await s.counts({ ready: 297, held: 7 });
  });

  test("jobs of a group come in their order, and none is lost or doubled", async (s) => {
    await push(s, "a", 40);
    await push(s, "b", 25);
    await s.push("plain");
    const worker = s.worker();
    const seen: string[] = [];
    for (;;) {
      const { messages, end } = await reserve(worker, 9);
      if (messages.length === 0) break;
      seen.push(...messages);
      await end();
    }
    assert.deepEqual(
      seen.filter((text) => text.startsWith("a")),
      messages(40, "a-"),
    );
    assert.deepEqual(
      seen.filter((text) => text.startsWith("b")),
      messages(25, "b-"),
    );
    assert.equal(seen.length, 66);
    await s.counts({});
  });

  test("a worker that waits is woken by a job of a group", async (s) => {
    const signal = AbortSignal.timeout(10_000);
    const waiting = s.broker.wait([s.queue], signal);
    await push(s, "g", 1);
    assert.deepEqual(await waiting, [s.queue]);
    const { messages } = await reserve(s.worker());
    assert.deepEqual(messages, ["g-0"]);
  });

  test("of each group no more run at once than its limit says", async (s) => {
    await s.broker.control.setLimits(s.queue, {
      group: { concurrency: 2 },
      groups: { big: { concurrency: 4 } },
    });
    for (const group of ["big", "one", "two"]) await push(s, group, 6);
    const [first, second] = [s.worker(), s.worker()];
    const one = await reserve(first);
    assert.deepEqual(byGroup(one.messages), { big: 4, one: 2, two: 2 });
    assert.deepEqual((await reserve(second)).messages, []);
    await one.end();
    const two = await reserve(second);
    assert.deepEqual(byGroup(two.messages), { big: 2, one: 2, two: 2 });
    await two.end();
    const three = await reserve(first);
    assert.deepEqual(byGroup(three.messages), { one: 2, two: 2 });
    await three.end();
    await s.counts({});
  });

  test("the end of a job wakes a worker for the next one of its group", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    await push(s, "g", 2);
    const worker = s.worker();
    const { messages, end } = await reserve(worker);
    assert.deepEqual(messages, ["g-0"]);
    const waiting = s.broker.wait([s.queue], AbortSignal.timeout(10_000));
    await end();
    assert.deepEqual(await waiting, [s.queue]);
    assert.deepEqual((await reserve(s.worker())).messages, ["g-1"]);
  });

  test("a job of a dead worker keeps its place in its group", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    await push(s, "g", 2);
    const first = s.worker();
    await reserve(first);
    await first.die();
    const second = s.worker();
    const suspect = await second.reserve({ idle: true });
    assert.deepEqual([...suspect.messages], ["g-0"]);
    assert.deepEqual((await reserve(s.worker())).messages, []);
    await second.settle(done(suspect.tokens[0], "g-0"));
    assert.deepEqual((await reserve(s.worker())).messages, ["g-1"]);
  });

  test("a job that is tried again leaves its place, and gets in line again", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    await push(s, "g", 2);
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    await worker.settle({
      kind: "retry",
      token,
      message: "g-again",
      delayMs: 5_000,
      ties: { id: "g-0.1", group: "g" },
    });
    await s.counts({ ready: 1, retry: 1 });
    const next = await worker.reserve();
    assert.deepEqual([...next.messages], ["g-1"]);
    await s.pass(5_000);
    await s.counts({ ready: 1, held: 1 });
    assert.deepEqual((await reserve(s.worker())).messages, []);
    await worker.settle(done(next.tokens[0], "g-1"));
    assert.deepEqual((await reserve(worker)).messages, ["g-again"]);
  });

  test("one that was charged for a crash keeps its place until it runs alone", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    await push(s, "g", 2);
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    await worker.settle({
      kind: "retry",
      token,
      message: "g-0",
      delayMs: 1_000,
      alone: true,
      ties: { id: "g-0.1", group: "g" },
    });
    assert.deepEqual((await reserve(worker)).messages, []);
    await s.pass(1_000);
    const suspect = await worker.reserve({ idle: true });
    assert.equal(suspect.kind, "suspect");
    await worker.settle(done(suspect.tokens[0], "g-0"));
    assert.deepEqual((await reserve(worker)).messages, ["g-1"]);
  });

  test("a job that is handed back keeps its place, and comes first", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    await push(s, "g", 2);
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.release(...tokens);
    const again = await reserve(worker);
    assert.deepEqual(again.messages, ["g-0"]);
    await again.end();
    assert.deepEqual((await reserve(worker)).messages, ["g-1"]);
  });

  test("of each group so many go in a period as its rate says", async (s) => {
    await s.broker.control.setLimits(s.queue, {
      group: { rate: { jobs: 2, perMs: 10_000 } },
    });
    await push(s, "a", 5);
    await push(s, "b", 1);
    const worker = s.worker();
    const first = await reserve(worker);
    assert.deepEqual(byGroup(first.messages), { a: 2, b: 1 });
    await first.end();
    assert.deepEqual((await reserve(worker)).messages, []);
    await s.pass(11_000);
    const second = await reserve(worker);
    assert.deepEqual(byGroup(second.messages), { a: 2 });
    await second.end();
    await s.pass(11_000);
    assert.deepEqual(byGroup((await reserve(worker)).messages), { a: 1 });
  });

  test("when the rate of a group lets more go, who asks then gets them", async (s) => {
    await s.broker.control.setLimits(s.queue, {
      group: { rate: { jobs: 1, perMs: 2_000 } },
    });
    await push(s, "a", 2);
    await push(s, "b", 1);
    const worker = s.worker();
    const { tokens, againMs } = await worker.reserve();
    assert.equal(tokens.length, 2);
    assert.ok(againMs! > 1_000 && againMs! <= 2_200, `${againMs}`);
    await s.store.advance(againMs!);
    const { messages, againMs: last } = await worker.reserve();
    assert.deepEqual([...messages], ["a-1"]);
    assert.ok(last === undefined || last >= 10);
  });

  test("what waits for a limit that is lifted goes at once", async (s) => {
    const { control } = s.broker;
    const day = { jobs: 1, perMs: 86_400_000 };
    await control.setLimits(s.queue, {
      group: { rate: day },
      groups: { full: { concurrency: 1 } },
    });
    for (const group of ["a", "full"]) await push(s, group, 2);
    const worker = s.worker();
    assert.equal((await worker.reserve()).tokens.length, 2);
    assert.deepEqual([...(await worker.reserve()).messages], []);
    const waiting = s.broker.wait([s.queue], AbortSignal.timeout(10_000));
    await control.setLimits(s.queue, {});
    assert.deepEqual(await waiting, [s.queue]);
    const { messages } = await worker.reserve();
    assert.deepEqual([...messages].sort(), ["a-1", "full-1"]);
  });

  test("a delayed job of a group waits in line once it is due", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    await s.broker.enqueue([
      {
        id: "g-9.1",
        queue: s.queue,
        message: "g-9",
        group: "g",
        delayMs: 1000,
      },
    ]);
    await s.counts({ scheduled: 1 });
    await push(s, "g", 1);
    const worker = s.worker();
    const first = await reserve(worker);
    await s.pass(1_000);
    assert.deepEqual((await reserve(worker)).messages, []);
    await first.end();
    assert.deepEqual((await reserve(worker)).messages, ["g-9"]);
  });

  test("the limit of a queue holds for jobs of groups as well", async (s) => {
    await s.broker.control.setLimits(s.queue, { concurrency: 3 });
    await push(s, "a", 5);
    await push(s, "b", 5);
    const worker = s.worker();
    const { messages, end } = await reserve(worker);
    assert.equal(messages.length, 3);
    assert.ok((await worker.reserve()).blockedMs! > 0);
    await end();
    assert.equal((await reserve(worker)).messages.length, 3);
  });

  test("fast mode takes jobs of groups in turn, and leaves no place taken", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    const entry = (group: string, n: number) => {
      const id = `${group}.${n}`;
      const message = `{"v":1,"id":"${id}","group":"${group}"}`;
      return { id, queue: s.queue, message, group };
    };
    const entries = [entry("a", 0), entry("a", 1), entry("b", 0)];
    await s.broker.enqueue(entries);
    const { messages } = await s.broker.take(s.queue, 4, 999);
    assert.deepEqual(
      [...messages].sort(),
      entries.map(({ message }) => message).sort(),
    );
    await push(s, "a", 1);
    assert.equal((await reserve(s.worker())).messages.length, 1);
  });

  test("a limit of a group that is raised or dropped is seen at once", async (s) => {
    const { control } = s.broker;
    await control.setLimits(s.queue, { group: { concurrency: 1 } });
    await push(s, "g", 9);
    const worker = s.worker();
    const first = await reserve(worker);
    assert.deepEqual(first.messages, ["g-0"]);
    await control.setLimits(s.queue, { group: { concurrency: 3 } });
    const second = await reserve(worker);
    assert.equal(second.messages.length, 2);
    await control.setLimits(s.queue, {});
    assert.equal((await reserve(worker)).messages.length, 6);
  });

  test("10,000 groups have one job each at a time, if that is their limit", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    const entries = Array.from({ length: 20_000 }, (_, i) => ({
      id: `g${i % 10_000}-${i}.1`,
      queue: s.queue,
      message: `g${i % 10_000}-${i}`,
      group: `g${i % 10_000}`,
    }));
    for (let from = 0; from < entries.length; from += 1000) {
      await s.broker.enqueue(entries.slice(from, from + 1000));
    }
    const worker = s.worker();
    const seen = new Set<string>();
    for (;;) {
      const { messages } = await reserve(worker);
      if (messages.length === 0) break;
      for (const group of Object.keys(byGroup(messages))) seen.add(group);
    }
    assert.equal(seen.size, 10_000);
    assert.equal(worker.known, 10_000);
    assert.deepEqual((await reserve(s.worker())).messages, []);
    await s.counts({ ready: 10_000, held: 10_000 });
  });
}
