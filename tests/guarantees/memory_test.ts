import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import type { RedisServer } from "../harness/redis_server.ts";
import { eventually } from "../harness/eventually.ts";
import { Site } from "./site.ts";

const JOBS = `export const sum = (a: number, b: number) => a + b;`;
const WAITERS = 10_000;

/** The connections to a server, without the one that asks. */
async function connections(redis: RedisServer): Promise<string[]> {
  const list = String(await redis.call("CLIENT", "LIST"));
  return list.split("\n")
    .filter((line) => line !== "" && !line.includes("cmd=client|list"));
}

Deno.test("10,000 parallel result() calls of one client take at most two connections, and all resolve", async () => {
  await using site = await Site.open("redis", JOBS);
  const handles: string[] = [];
  {
    // Half of the jobs are those of another program.
    await using other = connect(site.dsn);
    const jobs = await other.invokeMany(
      Array.from({ length: WAITERS / 2 }, (_, n) => ({
        job: "./jobs.ts#sum",
        args: [n, 1],
      })),
    );
    for (const { handle } of jobs) handles.push(handle);
  }
  const own = await site.client.invokeMany(
    Array.from({ length: WAITERS / 2 }, (_, n) => ({
      job: "./jobs.ts#sum",
      args: [n, 1],
    })),
  );
  const jobs = [...handles.map((handle) => site.client.job(handle)), ...own];
  const results = Promise.all(jobs.map((job) => job.result({ timeout: 60 })));
  await eventually(async () => {
    const all = await connections(site.redis!);
    assert.ok(all.some((line) => / sub=2 /.test(line)), all.join("\n"));
  });
  const waiting = await connections(site.redis!);
  console.log(`${waiting.length} connections for ${WAITERS} waiters`);
  assert.ok(waiting.length <= 2, waiting.join("\n"));
  const mqk = await site.run("-w", "1", "-b");
  const sums = (await results).map(Number);
  assert.deepEqual(sums, jobs.map((_, i) => i % (WAITERS / 2) + 1));
  assert.equal(await mqk.exitCode(), 0);
  const after = await connections(site.redis!);
  assert.ok(after.length <= 2, after.join("\n"));
});
