import assert from "node:assert/strict";
import type { Broker } from "../../src/broker/broker.ts";
import { Heartbeat } from "../../src/worker/heartbeat.ts";
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
