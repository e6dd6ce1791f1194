import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { Site } from "./site.ts";

const JOBS = `export async function aSecond() { ran(); await sleep(1_000); }`;
/** Longer than a worker takes for its last words, far less than it may stop. */
const AWAY_MS = 6_000;

for (const how of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`what ends in a worker that stops is settled when Redis is back in time (${how} of the master)`, async () => {
    await using site = await Site.open("redis", JOBS, { aof: true });
    const mqk = await site.run("-w", "1");
    const jobs = await site.client.invokeMany(
      Array.from({ length: 5 }, () => ({ job: "./jobs.ts#aSecond" })),
    );
    await eventually(() => assert.equal(site.lines().length, jobs.length));
    mqk.signal(how);
    await site.redis!.kill();
    await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    await site.redis!.restart();
    await Promise.all(jobs.map((job) => job.result({ timeout: 12 })));
    assert.equal(await mqk.exitCode(), how === "SIGTERM" ? 0 : 137);
    assert.equal(site.repeats(jobs.map(({ id }) => id)), 0);
  });
}
