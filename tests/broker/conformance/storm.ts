import assert from "node:assert/strict";
import {
  type Broker,
  FencedError,
  type Settlement,
} from "../../../src/broker/broker.ts";
import { messages, type Scene, type Test, type TestWorker } from "./scene.ts";

/** Cases in which many do many things at once. */
export function stormCases(test: Test): void {
  test("among workers that reserve, settle, release and die, no job is lost and none is settled twice", async (s) => {
    const brokers = [s.broker, await s.store.second(), await s.store.second()];
    const all = messages(400);
    await s.push(...all);
    const ended: string[] = [];
    await Promise.all(
      Array.from(
        { length: 6 },
        (_, i) => storm(s, brokers[i % 3], chance(i), ended),
      ),
    );
    assert.deepEqual(ended.sort(), all.sort());
    await s.counts({});
  });

  test("no job is left behind while workers sleep and wake", async (s) => {
    const brokers = [s.broker, await s.store.second(), await s.store.second()];
    const all = messages(60);
    const done: string[] = [];
    const stop = new AbortController();
    const workers = brokers.map(async (broker) => {
      const worker = s.worker(broker);
      while (!stop.signal.aborted) {
        const { tokens, messages } = await worker.reserve({ limit: 1 });
        await worker.done(...tokens);
        done.push(...messages);
        if (done.length === all.length) stop.abort();
        if (tokens.length > 0) continue;
        await broker.wait([s.queue], stop.signal);
      }
    });
    for (const [i, text] of all.entries()) {
      await s.push(text);
      if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await Promise.all(workers);
    assert.deepEqual(done.sort(), all.sort());
  });
}

/** Works with one broker, in ever new workers, until nothing waits. */
async function storm(
  s: Scene,
  broker: Broker,
  random: () => number,
  ended: string[],
): Promise<void> {
  let worker = s.worker(broker);
  for (let step = 0;; step++) {
    assert.ok(step < 5000, "the storm has no end");
    const { tokens, messages, kind } = await worker.reserve({
      limit: 1 + Math.floor(random() * 20),
      idle: true,
    });
    if (tokens.length === 0) {
      if (worker.known === 0 && await nothingWaits(s)) return;
      await broker.reap(s.queue);
      continue;
    }
    if (random() < 0.15) {
      await diesWhileSettling(s, worker, tokens, messages, ended);
      worker = s.worker(broker);
      continue;
    }
    const now = kind === "suspect"
      ? [await worker.begin(tokens[0])]
      : [...tokens];
    const back = random() < 0.2 ? now.splice(random() * now.length) : [];
    await worker.release(...back);
    const retried = random() < 0.2 ? now.splice(random() * now.length) : [];
    const first = now.length;
    await worker.settle(...retried.map((token, i): Settlement => ({
      kind: "retry",
      token,
      message: messages[first + i],
      delayMs: 0,
      alone: random() < 0.3,
    })));
    ended.push(...messages.slice(0, first));
    assert.equal(await worker.done(...now), first);
  }
}

/** Its settle and its recovery race: one of them gets each job, never both. */
async function diesWhileSettling(
  s: Scene,
  worker: TestWorker,
  tokens: readonly string[],
  messages: readonly string[],
  ended: string[],
): Promise<void> {
  const [settled, recovered] = await Promise.allSettled([
    worker.done(...tokens),
    s.broker.recover(worker.name, s.queue, "replaced"),
  ]);
  assert.ok(recovered.status === "fulfilled");
  if (settled.status === "fulfilled") {
    assert.equal(settled.value, tokens.length);
    ended.push(...messages);
    assert.equal(recovered.value, worker.known);
  } else {
    assert.ok(settled.reason instanceof FencedError, `${settled.reason}`);
    assert.equal(recovered.value, tokens.length);
  }
}

async function nothingWaits(s: Scene): Promise<boolean> {
  const [counts] = await s.broker.counts([s.queue]);
  return Object.values(counts).every((n) => n === 0);
}

/** Numbers from 0 to 1, the same in each run (xorshift). */
function chance(seed: number): () => number {
  let state = seed * 2654435761 + 88675123 | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
