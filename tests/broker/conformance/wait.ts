import assert from "node:assert/strict";
import type { Broker } from "../../../src/broker/broker.ts";
import { deadline } from "../../../src/time/deadline.ts";
import { eventually } from "../../harness/eventually.ts";
import { messages, type Scene, type Test } from "./scene.ts";

/** A wait that is woken is so within this; the slow look comes after 1 s. */
const PROMPT_MS = 900;
/** After so long a wait sleeps on a machine that has time for it. */
const ASLEEP_MS = 30;

/** Cases of `wait` and `pass`. */
export function waitCases(test: Test): void {
  test("wait answers at once when something is ready", async (s) => {
    await s.push("a");
    const { signal } = new AbortController();
    const before = performance.now();
    assert.deepEqual(await s.broker.wait([s.queue], signal), [s.queue]);
    assert.ok(performance.now() - before < PROMPT_MS);
    assert.deepEqual(await s.drain(), ["a"]);
  });

  test("a job enqueued over another connection wakes a wait", async (s) => {
    const producer = await s.store.second();
    for (let round = 0; round < 5; round++) {
      await using wait = await Waiting.begin(s.broker, [s.queue]);
      await producer.enqueue([{ id: s.newId(), queue: s.queue, message: "a" }]);
      const before = performance.now();
      assert.deepEqual(await wait.woken, [s.queue]);
      assert.ok(performance.now() - before < PROMPT_MS);
      assert.deepEqual((await s.worker().reserve()).messages, ["a"]);
    }
  });

  test("each way in which a job becomes ready wakes a wait", async (s) => {
    const other = await s.store.second();
    const ways: Record<string, () => Promise<void>> = {
      async "a release"() {
        const worker = s.worker(other);
        await s.push("a");
        const { tokens } = await worker.reserve();
        await sleeping(s);
        await worker.release(...tokens);
      },
      async "a due job"() {
        await other.enqueue([
          { id: s.newId(), queue: s.queue, message: "a", delayMs: 10 },
        ]);
        await s.store.advance(10);
        await sleeping(s);
        await other.reap(s.queue);
      },
      async "an idempotency key"() {
        await sleeping(s);
        await other.enqueue([{
          id: s.newId(),
          queue: s.queue,
          message: "a",
          idempotencyKey: "k",
        }]);
      },
      async "a replay"() {
        await s.push("a");
        const worker = s.worker(other);
        const { tokens } = await worker.reserve();
        await worker.settle({ kind: "failed", token: tokens[0], entry: "a" });
        const [record] = await s.jobs("failed");
        await sleeping(s);
        await s.inspector.replay(record, "a");
      },
    };
    let wait: Waiting | undefined;
    async function sleeping(s: Scene): Promise<void> {
      wait = await Waiting.begin(s.broker, [s.queue]);
    }
    for (const [way, happens] of Object.entries(ways)) {
      await happens();
      const begun = performance.now();
      assert.deepEqual(await wait!.woken, [s.queue], way);
      assert.ok(performance.now() - begun < PROMPT_MS, way);
      await wait![Symbol.asyncDispose]();
      assert.deepEqual(await s.drain(), ["a"], way);
    }
  });

  test("wait names the queue that has a job, among several", async (s) => {
    const queues = messages(4, s.queue + "-");
    await using wait = await Waiting.begin(s.broker, queues);
    await s.broker.enqueue([{ id: s.newId(), queue: queues[2], message: "a" }]);
    assert.deepEqual(await wait.woken, [queues[2]]);
  });

  test("wait watches more queues than it has connections for", async (s) => {
    const queues = messages(20, s.queue + "-");
    const producer = await s.store.second();
    for (const queue of [queues[19], queues[0], queues[9]]) {
      await using wait = await Waiting.begin(s.broker, queues);
      await producer.enqueue([{ id: s.newId(), queue, message: "a" }]);
      const before = performance.now();
      assert.deepEqual(await wait.woken, [queue]);
      assert.ok(performance.now() - before < PROMPT_MS);
      assert.deepEqual((await s.broker.take(queue, 9, 99)).messages, ["a"]);
    }
  });

  test("wait answers with nothing, promptly, after its signal aborts", async (s) => {
    for (const queues of [[s.queue], messages(12, s.queue + "-")]) {
      const wait = await Waiting.begin(s.broker, queues);
      const before = performance.now();
      wait.abort();
      assert.deepEqual(await wait.woken, []);
      assert.ok(performance.now() - before < PROMPT_MS);
      assert.deepEqual(await s.broker.wait(queues, AbortSignal.abort()), []);
    }
  });

  test("a wait that aborts when a job comes does not take it away", async (s) => {
    const producer = await s.store.second();
    for (let round = 0; round < 20; round++) {
      const wait = await Waiting.begin(s.broker, [s.queue]);
      const stored = producer.enqueue([
        { id: s.newId(), queue: s.queue, message: `m${round}` },
      ]);
      if (round % 2 === 0) await Promise.resolve();
      wait.abort();
      await Promise.all([stored, wait.woken]);
      await s.counts({ ready: 1 });
      assert.deepEqual(await s.drain(), [`m${round}`]);
      await s.broker.pass(s.queue);
      await s.counts({});
    }
  });

  test("a job that woke a wait keeps its place, and any worker may reserve it", async (s) => {
    await using wait = await Waiting.begin(s.broker, [s.queue]);
    const other = await s.store.second();
    await other.enqueue(
      messages(3).map((message) => ({
        id: s.newId(),
        queue: s.queue,
        message,
      })),
    );
    await wait.woken;
    await s.counts({ ready: 3 });
    const { messages: got } = await s.worker(other).reserve();
    assert.deepEqual(got, messages(3));
  });

  test("a job whose wake-up was not used wakes another after pass", async (s) => {
    const brokers = [s.broker, await s.store.second()];
    const first = await Waiting.begin(brokers[0], [s.queue]);
    await s.push("a");
    assert.deepEqual(await first.woken, [s.queue]);
    const second = Waiting.begin(brokers[1], [s.queue]);
    await brokers[0].pass(s.queue);
    assert.deepEqual(await (await second).woken, [s.queue]);
    assert.deepEqual(await s.drain(), ["a"]);
    await brokers[1].pass(s.queue);
    await s.counts({});
  });

  test("a job whose wake-up was not used wakes another after a tick", async (s) => {
    const brokers = [s.broker, await s.store.second()];
    const first = await Waiting.begin(brokers[0], [s.queue]);
    await s.push("a");
    assert.deepEqual(await first.woken, [s.queue]);
    await s.tick();
    await using second = await Waiting.begin(brokers[1], [s.queue]);
    assert.deepEqual(await second.woken, [s.queue]);
    assert.deepEqual(await s.drain(), ["a"]);
  });

  test("as many jobs as wait for them wake all who wait", async (s) => {
    const brokers = [s.broker, await s.store.second(), await s.store.second()];
    await using _a = await Waiting.begin(brokers[0], [s.queue]);
    await using _b = await Waiting.begin(brokers[1], [s.queue]);
    await using _c = await Waiting.begin(brokers[2], [s.queue]);
    const waits = [_a, _b, _c];
    await s.push("a");
    await eventually(() => waits.some((wait) => wait.ended));
    await s.push("b", "c");
    await Promise.all(waits.map(({ woken }) => woken));
    assert.deepEqual((await s.drain()).sort(), ["a", "b", "c"]);
  });

  test("a broker that is closed ends its waits", async (s) => {
    const broker = await s.store.second();
    const wait = await Waiting.begin(broker, [s.queue]);
    await broker[Symbol.asyncDispose]();
    await deadline(wait.woken.catch(() => {}), 5000, "the wait to end");
  });
}

/** A wait that goes on, with the way to end it. */
class Waiting implements AsyncDisposable {
  readonly woken: Promise<string[]>;
  ended = false;
  readonly #controller = new AbortController();

  private constructor(broker: Broker, queues: readonly string[]) {
    this.woken = broker.wait(queues, this.#controller.signal)
      .finally(() => this.ended = true);
    this.woken.catch(() => {});
  }

  /** Begins a wait, and lets it fall asleep; nothing tells when it has. */
  static async begin(
    broker: Broker,
    queues: readonly string[],
  ): Promise<Waiting> {
    const wait = new Waiting(broker, queues);
    await new Promise((resolve) => setTimeout(resolve, ASLEEP_MS));
    return wait;
  }

  abort(): void {
    this.#controller.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.woken.catch(() => {});
  }
}
