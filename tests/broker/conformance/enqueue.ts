import assert from "node:assert/strict";
import { messages, type Test } from "./scene.ts";

/** Cases of `enqueue`. */
export function enqueueCases(test: Test): void {
  test("enqueue answers with the ids of the jobs, entry by entry", async (s) => {
    const ids = [s.newId(), s.newId(), s.newId(), s.newId()];
    const [a, b, c, d] = ids;
    assert.deepEqual(
      await s.broker.enqueue([
        { id: a, queue: s.queue, message: "a" },
        { id: b, queue: s.queue, message: "b", delayMs: 1000 },
        { id: c, queue: s.queue, message: "c", idempotencyKey: "k" },
        { id: d, queue: s.queue + "x", message: "d" },
      ]),
      ids,
    );
    await s.counts({ ready: 2, scheduled: 1 });
    await s.counts({ ready: 1 }, s.queue + "x");
  });

  test("jobs leave their queue in the order in which they were enqueued", async (s) => {
    await s.push("a", "b");
    await s.push("c");
    assert.deepEqual(await s.drain(), ["a", "b", "c"]);
  });

  test("jobs with an idempotency key keep their place among those without", async (s) => {
    const entry = (message: string, idempotencyKey?: string) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      idempotencyKey,
    });
    await s.broker.enqueue([
      entry("a"),
      entry("b", "one"),
      entry("c"),
      entry("d", "two"),
      entry("e"),
    ]);
    assert.deepEqual(await s.drain(), ["a", "b", "c", "d", "e"]);
  });

  test("jobs of several queues in one call keep their order within each", async (s) => {
    const other = s.queue + "x";
    await s.broker.enqueue(
      messages(6).map((message, i) => ({
        id: s.newId(),
        queue: i % 2 === 0 ? s.queue : other,
        message,
      })),
    );
    assert.deepEqual(await s.drain(), ["m0", "m2", "m4"]);
    assert.deepEqual((await s.broker.take(other, 9, 99)).messages, [
      "m1",
      "m3",
      "m5",
    ]);
  });

  test("enqueue of nothing stores nothing", async (s) => {
    assert.deepEqual(await s.broker.enqueue([]), []);
  });

  test("enqueue takes more than fits into one command, in order", async (s) => {
    const many = messages(2500);
    assert.equal((await s.push(...many)).length, 2500);
    await s.counts({ ready: 2500 });
    assert.deepEqual(await s.drain(), many);
    const large = messages(12).map((m) => m.padEnd(200_000, "."));
    await s.push(...large);
    assert.deepEqual(await s.drain(), large);
  });

  test("a job enqueued with a delay is ready when it has passed, by the broker's clock", async (s) => {
    await s.broker.enqueue([
      { id: s.newId(), queue: s.queue, message: "late", delayMs: 5000 },
      { id: s.newId(), queue: s.queue, message: "soon", delayMs: 2000 },
      { id: s.newId(), queue: s.queue, message: "now", delayMs: 0 },
    ]);
    assert.deepEqual(await s.drain(), ["now"]);
    await s.pass(1999);
    await s.counts({ scheduled: 2 });
    await s.pass(1);
    assert.deepEqual(await s.drain(), ["soon"]);
    await s.pass(2999);
    await s.counts({ scheduled: 1 });
    await s.pass(1);
    assert.deepEqual(await s.drain(), ["late"]);
  });

  test("a job enqueued with a moment is ready from then on", async (s) => {
    const now = s.store.nowMs();
    await s.broker.enqueue([
      { id: s.newId(), queue: s.queue, message: "later", atMs: now + 60_000 },
      { id: s.newId(), queue: s.queue, message: "past", atMs: now - 60_000 },
    ]);
    await s.pass(59_999);
    assert.deepEqual(await s.drain(), ["past"]);
    await s.pass(1);
    assert.deepEqual(await s.drain(), ["later"]);
  });

  test("a delay may be a fraction of a millisecond, and a moment long ago", async (s) => {
    await s.broker.enqueue([
      { id: s.newId(), queue: s.queue, message: "a", delayMs: 1500.25 },
      { id: s.newId(), queue: s.queue, message: "b", atMs: 0 },
    ]);
    await s.pass(1501);
    assert.deepEqual(await s.drain(), ["b", "a"]);
  });

  test("queues with names that are much alike are different queues", async (s) => {
    const queues = ["", ".a", ".A", "_a", "-a", ".a.", ".ready"]
      .map((end) => s.queue + end);
    queues.push("x".repeat(60) + s.queue.padEnd(40, "y"));
    await s.broker.enqueue(
      queues.map((queue) => ({ id: s.newId(), queue, message: queue })),
    );
    for (const queue of queues) {
      assert.deepEqual((await s.broker.take(queue, 9, 999)).messages, [queue]);
    }
  });

  test("jobs that are due together become ready in the order of their time", async (s) => {
    await s.broker.enqueue([30, 10, 20].map((seconds) => ({
      id: s.newId(),
      queue: s.queue,
      message: `after ${seconds}`,
      delayMs: seconds * 1000,
    })));
    await s.pass(60_000);
    assert.deepEqual(await s.drain(), ["after 10", "after 20", "after 30"]);
  });

  test("a second job with an idempotency key is not stored, and is known as the first", async (s) => {
    const [first] = await s.broker.enqueue([keyed(s.newId(), s.queue, "a")]);
    const again = keyed(s.newId(), s.queue, "b");
    assert.deepEqual(await s.broker.enqueue([again]), [first]);
    assert.deepEqual(await s.drain(), ["a"]);
    assert.deepEqual(
      await s.broker.enqueue([again]),
      [first],
      "also when the first has run",
    );
    await s.counts({});
  });

  test("of jobs with the same idempotency key in one call the first is stored", async (s) => {
    const ids = [s.newId(), s.newId(), s.newId()];
    assert.deepEqual(
      await s.broker.enqueue(ids.map((id, i) => keyed(id, s.queue, `m${i}`))),
      [ids[0], ids[0], ids[0]],
    );
    assert.deepEqual(await s.drain(), ["m0"]);
  });

  test("an idempotency key holds for delayed jobs too", async (s) => {
    const entry = keyed(s.newId(), s.queue, "a");
    await s.broker.enqueue([{ ...entry, delayMs: 9000 }]);
    assert.deepEqual(
      await s.broker.enqueue([
        keyed(s.newId(), s.queue, "b"),
        { ...keyed(s.newId(), s.queue, "c"), atMs: s.store.nowMs() + 1000 },
      ]),
      [entry.id, entry.id],
    );
    await s.counts({ scheduled: 1 });
    await s.pass(9000);
    assert.deepEqual(await s.drain(), ["a"]);
  });

  test("two queues do not share their idempotency keys, nor two keys a job", async (s) => {
    const entries = [
      keyed(s.newId(), s.queue, "a"),
      keyed(s.newId(), s.queue + "x", "b"),
      { ...keyed(s.newId(), s.queue, "c"), idempotencyKey: "other" },
    ];
    assert.deepEqual(
      await s.broker.enqueue(entries),
      entries.map(({ id }) => id),
    );
  });

  test("of concurrent calls with one idempotency key a single one stores its job", async (s) => {
    const brokers = [s.broker, await s.store.second()];
    const answers = await Promise.all(
      messages(20).map((message, i) =>
        brokers[i % 2].enqueue([keyed(s.newId(), s.queue, message)])
      ),
    );
    assert.equal(new Set(answers.flat()).size, 1);
    await s.counts({ ready: 1 });
  });

  test("concurrent producers lose and double nothing", async (s) => {
    const brokers = [s.broker, await s.store.second(), await s.store.second()];
    await Promise.all(
      messages(60).map((message, i) =>
        brokers[i % 3].enqueue([{ id: s.newId(), queue: s.queue, message }])
      ),
    );
    assert.deepEqual((await s.drain()).sort(), messages(60).sort());
  });
}

function keyed(id: string, queue: string, message: string) {
  return { id, queue, message, idempotencyKey: "order-17" };
}
