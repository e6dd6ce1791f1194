import assert from "node:assert/strict";
import type { Broker } from "../../src/broker/broker.ts";
import { Heartbeat } from "../../src/worker/heartbeat.ts";
import type { Holdings } from "../../src/worker/holdings.ts";
import { Lease } from "../../src/worker/lease.ts";

/** How long the broker takes for steps of the reaper, one after the other. */
const TAKE_MS = [30, 0, 0, 500];

Deno.test("a step of the reaper begins a whole tick after the last one was answered", async () => {
  const ending = new AbortController();
  const pausesMs: number[] = [];
  let answeredAtMs = -Infinity;
  let steps = 0;
  const heartbeat = new Heartbeat({
    broker: { report: async () => {} } as unknown as Broker,
    worker: "w",
    holdings: new Map(),
    lease: new Lease(),
    reaper: {
      async step() {
        pausesMs.push(performance.now() - answeredAtMs);
        await new Promise((done) => setTimeout(done, TAKE_MS[steps]));
        answeredAtMs = performance.now();
        if (++steps === TAKE_MS.length) ending.abort();
      },
    },
    health: () => ({}),
    cancelled: () => {},
    fenced: assert.fail,
    outdated: assert.fail,
  });
  await heartbeat.run(ending.signal);
  assert.equal(pausesMs.length, TAKE_MS.length);
  for (const ms of pausesMs) assert.ok(ms >= 999, `${ms} ms`);
});

Deno.test("a queue that can't be reconciled does not keep the reaper from its turn", async () => {
  let steps = 0;
  const holdings = {
    ...{ queue: "q", held: 1, unanswered: false },
    disagree: () => Promise.reject(new Error("WRONGTYPE")),
  };
  const broker = {
    schemaVersion: 1,
    renew: () => Promise.resolve([{ held: 2, schema: 1, cancels: 0 }]),
  };
  const heartbeat = new Heartbeat({
    broker: broker as unknown as Broker,
    worker: "w",
    holdings: new Map([["q", holdings as unknown as Holdings]]),
    lease: new Lease(),
    reaper: {
      step() {
        steps++;
        return Promise.resolve();
      },
    },
    health: () => ({}),
    cancelled: () => {},
    fenced: assert.fail,
    outdated: assert.fail,
  });
  await assert.rejects(
    heartbeat.beat(new AbortController().signal),
    /WRONGTYPE/,
  );
  assert.equal(steps, 1);
});
