import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Broker } from "../../src/broker/broker.ts";
import { Notice } from "../../src/time/notice.ts";
import { Flight } from "../../src/worker/flight.ts";
import type { Holdings } from "../../src/worker/holdings.ts";
import { Intake } from "../../src/worker/intake.ts";
import { Lease } from "../../src/worker/lease.ts";
import { Prefetch } from "../../src/worker/prefetch.ts";
import { SuspectPolicy } from "../../src/worker/suspects.ts";

const ROUND_TRIP_MS = 1;

/** Which queue was asked when, in a time that only round trips pass. */
interface Asked {
  readonly queue: string;
  readonly atMs: number;
  readonly got: number;
  /** How many were under way then, this one included. */
  readonly atOnce: number;
  readonly idle: boolean;
}

/** Lets a worker take jobs from queues that have so many until it waits. */
async function untilItWaits(
  jobs: Readonly<Record<string, number>>,
  { later, started = 1 }: {
    later?: { queue: string; atMs: number };
    started?: number;
  } = {},
): Promise<Asked[]> {
  const queues = Object.keys(jobs);
  const left = { ...jobs };
  const asked: Asked[] = [];
  let nowMs = 0;
  let underWay = 0;
  const reserve: (queue: string) => Holdings["reserve"] =
    (queue) => async ({ limit, idle }, adopt) => {
      if (later !== undefined && nowMs >= later.atMs) {
        left[later.queue] += 500;
        later = undefined;
      }
      const got = Math.min(limit, left[queue]);
      left[queue] -= got;
      underWay++;
      asked.push({ queue, atMs: nowMs, got, atOnce: underWay, idle });
      nowMs += ROUND_TRIP_MS;
      await nextTurn();
      underWay--;
      if (got === 0) return { suspects: 0 };
      const texts = Array.from({ length: got }, () => "");
      const batch = { tokens: texts, messages: texts, suspects: 0, cancels: 0 };
      return { flight: adopt({ kind: "ready", ...batch }), suspects: 0 };
    };
  const stopping = new AbortController();
  const wait = () => {
    stopping.abort();
    return Promise.resolve([]);
  };
  const prefetch = new Prefetch(1500);
  const intake = new Intake(
    {
      broker: { wait } as unknown as Broker,
      worker: "worker",
      queues,
      holdings: new Map(queues.map((queue) => [
        queue,
        { held: 0, reserve: reserve(queue) } as unknown as Holdings,
      ])),
      prefetch,
      suspects: new SuspectPolicy(),
      lease: new Lease(),
      changed: new Notice(),
      inFlight: () => ({ waiting: 0, started }),
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
  assert.ok(asked.every(({ idle }) => idle === (started === 0)));
  return asked;
}

Deno.test("an empty queue is asked again every 20 ms while a later one has jobs", async () => {
  const asked = await untilItWaits({ high: 0, middle: 0, low: 50_000 });
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
    { high: 0, low: 50_000 },
    { later: { queue: "high", atMs: 30 } },
  );
  const { atMs } = asked.find(({ queue, got }) => queue === "high" && got > 0)!;
  assert.ok(atMs <= 50, `it was taken after ${atMs} ms`);
});

Deno.test("all queues are asked before a worker waits", async () => {
  // It comes when the other one has just been emptied.
  const asked = await untilItWaits(
    { high: 0, low: 2500 },
    { later: { queue: "high", atMs: 6 } },
  );
  assert.ok(asked.some(({ queue, got }) => queue === "high" && got > 0));
  const last = asked.slice(-2).map(({ queue, got }) => `${queue} ${got}`);
  assert.deepEqual(last, ["high 0", "low 0"]);
});

function many(count: number, jobs: number): Record<string, number> {
  const queues = Array.from({ length: count }, (_, i) => [`q${i}`, jobs]);
  return Object.fromEntries(queues);
}

Deno.test("of many queues that are emptied at once two are asked at a time", async () => {
  const asked = await untilItWaits(many(30, 300));
  const gave = asked.filter(({ got }) => got > 0);
  assert.equal(gave[0].atOnce, 1);
  const beside = gave.filter(({ atOnce }) => atOnce === 2);
  assert.ok(beside.length >= 8, `${beside.length} of ${gave.length}`);
  assert.ok(gave.every(({ atOnce }) => atOnce <= 2));
});

Deno.test("no queue is asked beside one that may give a suspect", async () => {
  const asked = await untilItWaits(many(30, 300), { started: 0 });
  assert.ok(asked.every(({ atOnce }) => atOnce === 1));
});

Deno.test("of many queues a later one gives a batch at most before an earlier one is empty", async () => {
  for (const [large, few] of [[2000, 2000], [2000, 100], [700, 30]]) {
    // The third one of three is large.
    const queues = many(30, few);
    for (let i = 2; i < 30; i += 3) queues[`q${i}`] = large;
    const asked = await untilItWaits(queues);
    const gave = asked.filter(({ got }) => got > 0);
    const all = gave.reduce((sum, { got }) => sum + got, 0);
    assert.equal(all, 10 * large + 20 * few);
    for (const [at, { queue }] of gave.entries()) {
      const number = Number(queue.slice(1));
      const early = gave.slice(0, at)
        .filter((other) => Number(other.queue.slice(1)) > number);
      const jobs = early.reduce((sum, { got }) => sum + got, 0);
      assert.ok(jobs <= 500, `${jobs} jobs before ${queue}`);
    }
  }
});
