import assert from "node:assert/strict";
import { BrokerError } from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";
import { Site } from "./site.ts";

const JOBS = `
export function sized(_padding: string) { ran(); return 1; }
`;
/** Room for more than 10,000 jobs of this size. */
const PADDING = "x".repeat(800);
const MEMORY = "16mb";

/** Sends jobs until the server refuses them; answers with those it has. */
async function fill(
  site: Site,
  atOnce: number,
): Promise<{ ids: string[]; refusal: Error }> {
  const ids: string[] = [];
  for (;;) {
    try {
      const jobs = await site.client.invokeMany(
        Array.from({ length: atOnce }, () => (
          { job: "./jobs.ts#sized", args: [PADDING] }
        )),
      );
      ids.push(...jobs.map(({ id }) => id));
    } catch (error) {
      return { ids, refusal: error as Error };
    }
  }
}

Deno.test("a server at its memory limit refuses new jobs, and workers drain it without a repeat", async () => {
  await using site = await Site.open("redis", JOBS, {
    config: ["--maxmemory", MEMORY],
  });
  const redis = site.redis!;
  const many = await fill(site, 500);
  // A large command needs room of its own; there may be some for small ones.
  const few = await fill(site, 1);
  const ids = [...many.ids, ...few.ids];
  console.log(`${ids.length} jobs fit`);
  assert.ok(ids.length >= 10_000);
  for (const { refusal } of [many, few]) {
    assert.ok(refusal instanceof BrokerError, String(refusal));
    assert.match(refusal.message, /OOM command not allowed.*maxmemory/);
  }

  // Workers start, and stay, while nothing can be stored.
  const used = Number(
    /used_memory:(\d+)/.exec(String(await redis.call("INFO", "memory")))![1],
  );
  await redis.call("CONFIG", "SET", "maxmemory", Math.floor(used / 4));
  const mqk = await site.run("-w", "2");
  await eventually(async () => {
    assert.equal(await redis.call("LLEN", "mqk:{default}:ready"), 0);
    assert.deepEqual(await redis.call("KEYS", "mqk:{default}:held:*"), []);
  }, 120_000);
  assert.equal(site.repeats(ids), 0);
  assert.deepEqual(
    mqk.stderr.filter((line) => line.includes("Cannot")),
    [],
    "a server that is drained is no reason to complain",
  );

  await redis.call("CONFIG", "SET", "maxmemory", MEMORY);
  const job = await site.client.invoke("./jobs.ts#sized", PADDING);
  assert.equal(await job.result(), 1);
});
