import assert from "node:assert/strict";
import { type BrokerName, openEngine } from "./engine.ts";
import { type Amendment, AMENDMENTS } from "./mutations.ts";
import { runMany } from "./run_many.ts";
import { shorten } from "./shorten.ts";

/** `deno task model` runs any number. */
const SEEDS: Readonly<Record<BrokerName, number>> = { redis: 200, sqlite: 120 };

for (const broker of ["redis", "sqlite"] as const) {
  Deno.test(`${broker} keeps every job in one place, whatever goes wrong`, async () => {
    await using engine = await openEngine(broker);
    const { seeds, failed, crashes } = await runMany(engine, {
      first: 1,
      count: SEEDS[broker],
    });
    assert.equal(
      failed && `seed ${failed.seed}: ${failed.failure.error.message}`,
      undefined,
    );
    assert.equal(seeds, SEEDS[broker]);
    assert.ok(crashes > seeds, "hardly anything went wrong");
  });
}

/** Where to begin, so that few runs are enough to see it go wrong. */
const FIRST_SEEDS: Readonly<
  Record<Amendment, Partial<Record<BrokerName, number>>>
> = {
  F1: { redis: 110 },
  F2: { redis: 20 },
  F4: { redis: 20 },
  F6: { redis: 1, sqlite: 1 },
  F7: { redis: 130, sqlite: 160 },
};

for (const amendment of Object.keys(AMENDMENTS) as Amendment[]) {
  for (const broker of ["redis", "sqlite"] as const) {
    const first = FIRST_SEEDS[amendment][broker];
    if (first === undefined) continue;
    const { says } = AMENDMENTS[amendment];
    Deno.test(`${broker} goes wrong without ${amendment}: ${says}`, async () => {
      await using engine = await openEngine(broker, amendment);
      const { failed } = await runMany(engine, { first, count: 1_000 });
      assert.notEqual(failed, undefined);
    });
  }
}

Deno.test("a seed fails again in the same way, and in fewer steps", async () => {
  await using engine = await openEngine("redis", "F4");
  const { failed } = await runMany(engine, { first: 20, count: 1_000 });
  const { seed, failure } = failed!;
  const again = await engine.run({ seed });
  assert.equal(again.failure?.error.message, failure.error.message);
  assert.deepEqual(again.failure?.trace, failure.trace);
  const shorter = await shorten(engine, { seed }, failure);
  assert.ok(shorter.steps <= failure.steps);
  const { failure: repeated } = await engine.run({
    seed,
    steps: shorter.steps,
    checkEvery: 1,
  });
  assert.equal(repeated?.error.message, shorter.error.message);
});
