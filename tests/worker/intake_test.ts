import assert from "node:assert/strict";
import type { Broker } from "../../src/broker/broker.ts";
import { Notice } from "../../src/time/notice.ts";
import { Flight } from "../../src/worker/flight.ts";
import type { Holdings } from "../../src/worker/holdings.ts";
import { Intake } from "../../src/worker/intake.ts";
import { Lease } from "../../src/worker/lease.ts";
import { Prefetch } from "../../src/worker/prefetch.ts";
import { SuspectPolicy } from "../../src/worker/suspects.ts";

const ROUND_TRIP_MS = 1;
const BATCH = Array.from({ length: 500 }, () => "");

/** Which queue was asked when, in a time that only round trips pass. */
interface Asked {
  readonly queue: string;
  readonly atMs: number;
  readonly got: boolean;
}

/** Lets a busy worker take batches until it waits. */
async function untilItWaits(
  batches: Readonly<Record<string, number>>,
  later: { queue: string; atMs: number } | undefined = undefined,
): Promise<Asked[]> {
  const queues = Object.keys(batches);
  const left = { ...batches };
  const asked: Asked[] = [];
  let nowMs = 0;
  const reserve: (queue: string) => Holdings["reserve"] =
    (queue) => (_request, adopt) => {
      if (later !== undefined && nowMs >= later.atMs) {
        left[later.queue]++;
        later = undefined;
      }
      const got = left[queue] > 0;
      asked.push({ queue, atMs: nowMs, got });
      nowMs += ROUND_TRIP_MS;
      if (!got) return Promise.resolve({ suspects: 0 });
      left[queue]--;
      const batch = { tokens: BATCH, messages: BATCH, suspects: 0, cancels: 0 };
      const flight = adopt({ kind: "ready", ...batch });
      return Promise.resolve({ flight, suspects: 0 });
    };
  const stopping = new AbortController();
  const wait = () => {
    stopping.abort();
    return Promise.resolve([]);
  };
  const intake = new Intake(
    {
      broker: { wait } as unknown as Broker,
      worker: "worker",
      queues,
      holdings: new Map(queues.map((queue) => [
        queue,
        { held: 0, reserve: reserve(queue) } as unknown as Holdings,
      ])),
      prefetch: new Prefetch(1500),
      suspects: new SuspectPolicy(),
      lease: new Lease(),
      changed: new Notice(),
      inFlight: () => ({ waiting: 0, started: 1 }),
      runsAlone: () => false,
      adopt: (queue, batch) => new Flight(0, queue, batch, nowMs),
      accept: () => Promise.resolve(),
      refuse: () => {},
      idle: () => {},
      fenced: (error) => assert.fail(`${error}`),
      useless: (error) => assert.fail(`${error}`),
    },
    stopping.signal,
    { nowMs: () => nowMs, pause: () => Promise.resolve() },
  );
  await intake.run();
  return asked;
}

Deno.test("an empty queue is asked again every 20 ms while a later one has jobs", async () => {
  const asked = await untilItWaits({ high: 0, middle: 0, low: 100 });
  const first = asked.filter(({ queue }) => queue === "high");
  for (const [i, { atMs }] of first.slice(1, -1).entries()) {
    const gapMs = atMs - first[i].atMs;
    assert.ok(gapMs >= 20 && gapMs < 25, `asked again after ${gapMs} ms`);
  }
  assert.ok(first.length > 5, `it was asked ${first.length} times`);
  const names = asked.map(({ queue }) => queue);
  assert.deepEqual(names.slice(0, 4), ["high", "middle", "low", "low"]);
});

Deno.test("a job that an earlier queue gets late comes before more of a later one", async () => {
  const asked = await untilItWaits(
    { high: 0, low: 100 },
    { queue: "high", atMs: 30 },
  );
  const { atMs } = asked.find(({ queue, got }) => queue === "high" && got)!;
  assert.ok(atMs <= 50, `it was taken after ${atMs} ms`);
});

Deno.test("all queues are asked before a worker waits", async () => {
  // It comes when the other one has just been emptied.
  const asked = await untilItWaits(
    { high: 0, low: 5 },
    { queue: "high", atMs: 6 },
  );
  assert.ok(asked.some(({ queue, got }) => queue === "high" && got));
  const last = asked.slice(-2).map(({ queue, got }) => `${queue} ${got}`);
  assert.deepEqual(last, ["high false", "low false"]);
});
