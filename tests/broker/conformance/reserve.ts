import assert from "node:assert/strict";
import {
  FencedError,
  MAX_BATCH_BYTES,
  MismatchError,
} from "../../../src/broker/broker.ts";
import { decodeFailedEntry } from "../../../src/job/outcome.ts";
import { messages, type Test } from "./scene.ts";

/** Cases of `reserve`. */
export function reserveCases(test: Test): void {
  test("reserve moves the oldest jobs to the worker, each under its own token", async (s) => {
    await s.push(...messages(5));
    const worker = s.worker();
    const batch = await worker.reserve({ limit: 3 });
    assert.equal(batch.kind, "ready");
    assert.deepEqual(batch.messages, ["m0", "m1", "m2"]);
    assert.equal(new Set(batch.tokens).size, 3);
    assert.equal(batch.suspects, 0);
    await s.counts({ ready: 2, held: 3 });
    assert.deepEqual((await worker.reserve()).messages, ["m3", "m4"]);
    await s.counts({ held: 5 });
  });

  test("reserve answers with no tokens when nothing is ready, also in a queue that never was", async (s) => {
    const worker = s.worker();
    const batch = await worker.reserve();
    assert.deepEqual([...batch.tokens], []);
    assert.deepEqual([...batch.messages], []);
    assert.deepEqual([...(await worker.reserve()).tokens], []);
    assert.equal(await worker.renew(), 0);
  });

  test("no token is ever given twice", async (s) => {
    await s.push(...messages(4));
    const [a, b] = [s.worker(), s.worker(await s.store.second())];
    const tokens = [
      ...(await a.reserve({ limit: 2 })).tokens,
      ...(await b.reserve({ limit: 2 })).tokens,
    ];
    await a.release(...tokens.slice(0, 2));
    tokens.push(...(await a.reserve()).tokens);
    assert.equal(new Set(tokens).size, 6);
  });

  test("two workers never get the same job, however many ask at once", async (s) => {
    const all = messages(300);
    await s.push(...all);
    const brokers = [s.broker, await s.store.second(), await s.store.second()];
    const got: string[][] = await Promise.all(
      Array.from({ length: 9 }, async (_, i) => {
        const worker = s.worker(brokers[i % 3]);
        const mine: string[] = [];
        for (;;) {
          const batch = await worker.reserve({ limit: 7 });
          if (batch.tokens.length === 0) return mine;
          mine.push(...batch.messages);
        }
      }),
    );
    assert.deepEqual(got.flat().sort(), all.sort());
    for (const mine of got) {
      const numbers = mine.map((m) => Number(m.slice(1)));
      assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
    }
    await s.counts({ held: 300 });
  });

  test("a reserve of 1,000 jobs gets 1,000, and of more than wait all that wait", async (s) => {
    const all = messages(1500);
    await s.push(...all);
    const worker = s.worker();
    assert.deepEqual((await worker.reserve()).messages, all.slice(0, 1000));
    assert.deepEqual((await worker.reserve()).messages, all.slice(1000));
  });

  test("a reserve that does not say what is known needs a place, and adds to what is held", async (s) => {
    await s.push(...messages(3));
    const worker = s.worker();
    const unknown = { limit: 1, known: undefined };
    await assert.rejects(worker.reserve(unknown), FencedError);
    await s.counts({ ready: 3 });
    await worker.reserve({ limit: 1 });
    const second = await worker.reserve(unknown);
    assert.equal(second.tokens.length, 1);
    assert.equal(await worker.renew(), 2);
    await worker.done(...second.tokens);
    await s.broker.recover(worker.name, s.queue, "replaced");
    await assert.rejects(worker.reserve(unknown), FencedError);
  });

  test("reserve stops before its bytes are exceeded, but gives one job in any case", async (s) => {
    const large = messages(4).map((m) => m.padEnd(400, "ü"));
    await s.push(...large, "small");
    const worker = s.worker();
    assert.deepEqual(
      (await worker.reserve({ bytes: 1700 })).messages,
      large.slice(0, 2),
      "400 letters are 798 bytes",
    );
    assert.deepEqual((await worker.reserve({ bytes: 0 })).messages, [large[2]]);
    assert.deepEqual((await worker.reserve()).messages, [large[3], "small"]);
  });

  test("small jobs in front of large ones do not widen the bytes of a reserve", async (s) => {
    const all = [
      ...messages(20),
      ...messages(8, "x").map((m) => m.padEnd(300_000)),
    ];
    await s.push(...all);
    const worker = s.worker();
    const first = (await worker.reserve()).messages;
    assert.deepEqual(first, all.slice(0, 23));
    const second = (await worker.reserve()).messages;
    assert.ok(second.join("").length <= MAX_BATCH_BYTES);
    assert.deepEqual(second, all.slice(23, 26));
  });

  test("a worker that is wrong about what it holds gets nothing, and is told so", async (s) => {
    await s.push(...messages(4));
    const worker = s.worker();
    await worker.reserve({ limit: 2 });
    for (const known of [0, 1, 3]) {
      await assert.rejects(worker.reserve({ known }), MismatchError);
    }
    await s.counts({ ready: 2, held: 2 });
    assert.deepEqual((await worker.reserve()).messages, ["m2", "m3"]);
    // A broker with nothing under way may answer from what it reads.
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const known of [0, 3, 5]) {
      await assert.rejects(
        worker.reserve({ known }),
        MismatchError,
        "also when there is nothing to get",
      );
    }
  });

  test("a worker without a place that believes it holds something is fenced", async (s) => {
    await s.push("a");
    await assert.rejects(s.worker().reserve({ known: 1 }), FencedError);
    await s.counts({ ready: 1 });
  });

  test("crashed jobs come first, then one suspect, then ready jobs; never two kinds together", async (s) => {
    await s.leave({
      crashed: ["crashed 1", "crashed 2"],
      suspects: ["suspect 1", "suspect 2"],
    });
    await s.push("ready 1", "ready 2");
    await s.counts({ ready: 2, suspect: 2, crashed: 2 });
    const kinds: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      const worker = s.worker();
      const { kind, messages, suspects } = await worker.reserve();
      kinds.push([kind, messages, suspects]);
    }
    assert.deepEqual(kinds, [
      ["crashed", ["crashed 1", "crashed 2"], 2],
      ["suspect", ["suspect 1"], 1],
      ["suspect", ["suspect 2"], 0],
      ["ready", ["ready 1", "ready 2"], 0],
      ["ready", [], 0],
    ]);
  });

  test("a busy worker gets crashed and ready jobs but no suspect, and hears how many wait", async (s) => {
    await s.leave({
      crashed: ["crashed"],
      suspects: ["suspect 1", "suspect 2"],
    });
    await s.push("ready");
    const worker = s.worker();
    const first = await worker.reserve({ idle: false });
    assert.deepEqual([first.kind, first.messages], ["crashed", ["crashed"]]);
    const second = await worker.reserve({ idle: false });
    assert.deepEqual([second.kind, second.messages], ["ready", ["ready"]]);
    assert.equal(second.suspects, 2);
    assert.equal((await worker.reserve({ idle: false })).tokens.length, 0);
    await s.counts({ suspect: 2, held: 2 });
  });

  test("at most 16 crashed jobs are reserved together", async (s) => {
    const texts = messages(18);
    await s.leave({ crashed: texts });
    await s.counts({ crashed: 18 });
    const other = s.worker();
    assert.deepEqual((await other.reserve()).messages, texts.slice(0, 16));
    const rest = await other.reserve();
    assert.deepEqual([rest.kind, rest.messages], ["crashed", texts.slice(16)]);
  });

  test("reserve renews the lease, even when nothing is ready", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    await s.tick(9);
    await worker.reserve();
    assert.deepEqual((await s.tick(9)).lapsed, []);
    assert.deepEqual((await s.tick()).lapsed, [worker.name]);
  });

  test(
    "a message that is too large is never delivered but kept, cut, in the failed set",
    async (s) => {
      const large = "a" + "🦕".repeat(2500);
      await s.push("before", large, large, "after");
      assert.deepEqual((await s.worker().reserve()).messages, [
        "before",
        "after",
      ]);
      await s.counts({ held: 2, failed: 2 });
      const entries = (await s.jobs("failed")).map((r) =>
        decodeFailedEntry(r.text)
      );
      for (const { message, error, attempts, cut } of entries) {
        assert.ok(large.startsWith(message) && message.length > 500);
        assert.ok(new TextEncoder().encode(message).length <= 1024);
        assert.match(error.message, /10001 bytes.* 8000/);
        assert.equal(attempts, 0);
        assert.equal(cut, true);
      }
    },
    { messageBytes: 8000 },
  );

  test("many messages that are too large are in nobody's way", async (s) => {
    await s.push(...messages(20).map((m) => m.padEnd(8001)), "after");
    const worker = s.worker();
    for (let calls = 0; calls < 5 && worker.known === 0; calls++) {
      await worker.reserve();
    }
    await s.counts({ held: 1, failed: 20 });
  }, { messageBytes: 8000 });

  test("the largest message that is delivered has 4 MiB", async (s) => {
    const largest = "x".repeat(4 * 1024 * 1024);
    await s.push(largest + "x", largest);
    const { messages } = await s.worker().reserve();
    assert.equal(messages.length, 1);
    assert.ok(messages[0] === largest);
    await s.counts({ held: 1, failed: 1 });
  });
}
