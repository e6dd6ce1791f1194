import assert from "node:assert/strict";
import type { Broker, Reaped } from "../../src/broker/broker.ts";
import { BrokerError } from "../../src/errors.ts";
import { Reaper } from "../../src/worker/reaper.ts";

const NOTHING_DUE: Reaped = {
  advanced: true,
  more: false,
  lapsed: [],
  suspects: 0,
  schedulesDue: false,
};
const NEVER = new AbortController().signal;

function over(
  queues: readonly string[],
  reap: (queue: string) => Reaped,
): Reaper {
  const broker = {
    reap: (queue: string) => Promise.resolve(queue).then(reap),
  } as unknown as Broker;
  return new Reaper(broker, queues, true, { suspects: () => {} });
}

Deno.test("a step of the reaper ends though more is due, and goes on there at the next", async () => {
  const reaped: string[] = [];
  const reaper = over(["full", "other"], (queue) => {
    reaped.push(queue);
    return { ...NOTHING_DUE, more: queue === "full" };
  });
  // Without an end the lease would not be renewed, and this would hang.
  await reaper.step(NEVER);
  assert.ok(reaped.length > 2);
  assert.equal(reaped.at(-1), "other");
  const before = reaped.length;
  await reaper.step(NEVER);
  assert.equal(reaped[before], "full");
});

Deno.test("a queue that can't be reaped does not keep others from their turn", async () => {
  const reaped: string[] = [];
  const reaper = over(["refused", "other"], (queue) => {
    reaped.push(queue);
    if (queue === "refused") throw new BrokerError("NOPERM");
    return NOTHING_DUE;
  });
  await assert.rejects(reaper.step(NEVER), /NOPERM/);
  assert.deepEqual(reaped, ["refused", "other"]);
});
