import assert from "node:assert/strict";
import { type BrokerName, openEngine } from "./engine.ts";
import { type Amendment, AMENDMENTS } from "./mutations.ts";
import { runMany } from "./run_many.ts";
import { shorten } from "./shorten.ts";

/** `deno task model` runs any number. */
const SEEDS: Readonly<Record<BrokerName, number>> = {
  redis: 120,
  sqlite: 80,
  "sqlite-processes": 2,
};

for (const broker of Object.keys(SEEDS) as BrokerName[]) {
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

/** Seeds that found something once. */
const FOUND: Readonly<Partial<Record<BrokerName, readonly number[]>>> = {
  // A reserve that was answered long after it was sent, when a renewal of
  // another queue had made the lease look young.
  sqlite: [883],
};

for (const [broker, seeds] of Object.entries(FOUND)) {
  Deno.test(`${broker} keeps every job in seeds that once did not`, async () => {
    await using engine = await openEngine(broker as BrokerName);
    for (const seed of seeds) {
      const { failure } = await engine.run({ seed });
      assert.equal(failure?.error.message, undefined, `seed ${seed}`);
    }
  });
}

/** Where to begin, so that few runs are enough to see it go wrong. */
const FIRST_SEEDS: Readonly<
  Record<Amendment, Partial<Record<BrokerName, number>>>
> = {
  F1: { redis: 2180 },
  F2: { redis: 10 },
  F4: { redis: 8 },
  F6: { redis: 18, sqlite: 8 },
  F7: { redis: 46, sqlite: 44 },
  renew: { redis: 10, sqlite: 10 },
  lapse: { redis: 1, sqlite: 1 },
  idle: { redis: 1, sqlite: 1 },
  order: { redis: 1, sqlite: 1 },
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
  const { failed } = await runMany(engine, { first: 8, count: 1_000 });
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
