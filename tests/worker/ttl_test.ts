import assert from "node:assert/strict";
import { Slot } from "../../src/thread/protocol.ts";
import { Flight } from "../../src/worker/flight.ts";
import { chargeOverrun, TtlWatch } from "../../src/worker/ttl.ts";

const MESSAGE =
  '{"v":1,"id":"p.1","job":"mqk:calculator#sum","args":[],"ttl":1}';

function watched(answers: boolean, message = MESSAGE, cancelled?: string) {
  const seen: string[] = [];
  const flight = new Flight(1, "q", {
    kind: "ready",
    tokens: ["1:0"],
    messages: [message],
    suspects: 0,
    cancels: 0,
  }, 0);
  const slots = new Int32Array(flight.buffer);
  const watch = new TtlWatch({
    cancelled: ({ id }) => id === cancelled,
    overran: () => seen.push("overran"),
    answered: () => answers,
    lingers: () => seen.push("lingers"),
    silent: (overruns) => seen.push(`silent ${overruns.length}`),
  });
  return {
    seen,
    flight,
    slots,
    look: (ms: number) => watch.look([flight], ms),
  };
}

Deno.test("a job that blocks its thread past ttl and grace is found silent", () => {
  const { seen, slots, look } = watched(false);
  look(0);
  slots[0] = Slot.running;
  look(50);
  look(1_049);
  assert.deepEqual(seen, []);
  look(1_050);
  assert.deepEqual(seen, ["overran"]);
  look(1_549);
  assert.deepEqual(seen, ["overran"]);
  look(1_550);
  assert.deepEqual(seen, ["overran", "silent 1"]);
});

Deno.test("a job that ignores its signal lingers while its thread answers", () => {
  const { seen, slots, look } = watched(true);
  slots[0] = Slot.running;
  look(0);
  look(1_000);
  look(1_500);
  look(9_000);
  assert.deepEqual(seen, ["overran", "lingers"]);
});

Deno.test("a job that ends within its grace is left alone", () => {
  const { seen, slots, look } = watched(true);
  slots[0] = Slot.running;
  look(0);
  look(1_000);
  slots[0] = Slot.ended;
  look(1_100);
  look(9_000);
  assert.deepEqual(seen, ["overran"]);
});

Deno.test("loading a module is not on the ttl", () => {
  const { seen, slots, look } = watched(true);
  slots[0] = Slot.loading;
  look(0);
  look(20_000);
  slots[0] = Slot.running;
  look(20_050);
  look(21_000);
  assert.deepEqual(seen, []);
  look(21_050);
  assert.deepEqual(seen, ["overran"]);
});

Deno.test("an overrun job is charged with an error that names its ttl", () => {
  const { flight } = watched(true);
  const message = { ...JSON.parse(MESSAGE), retries: 0, attempt: 1 };
  const failed = chargeOverrun(
    "1:0",
    { flight, index: 0, message, cancelled: false },
    { fast: true },
  );
  assert.equal(failed.kind, "failed");
  assert.match(JSON.stringify(failed), /exceeded its ttl of 1 s/);
});

Deno.test("a message that can't be read is left to the thread that reads it", () => {
  const { seen, slots, look } = watched(true, "not json");
  slots[0] = Slot.loading;
  look(0);
  look(40_000);
  assert.deepEqual(seen, []);
});
