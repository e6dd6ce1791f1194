import assert from "node:assert/strict";
import { JobFailedError } from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";
import { mqk } from "../harness/mqk_process.ts";
import { type BrokerKind, Site } from "./site.ts";

const JOBS = `
export const quick = () => ran();
export function eat() {
  ran();
  const eaten: unknown[] = [];
  for (;;) eaten.push(new Array(100_000).fill(eaten.length));
}
export async function deaf() { ran(); await new Promise(() => {}); }
export async function healthy(seconds: number) { ran(); await sleep(seconds * 1000); return "ok"; }
export function block(seconds: number) {
  ran();
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end);
}
export async function meet(count: number) {
  block(0.3);
  while (Deno.readTextFileSync("ran.txt").split("\\n").length <= count) await sleep(20);
}
`;

for (const kind of ["redis", "sqlite"] satisfies BrokerKind[]) {
  Deno.test(`a job that exhausts the heap fails alone, 2,000 neighbours keep their attempt (${kind})`, async () => {
    Deno.env.set("DENO_V8_FLAGS", "--max-old-space-size=128");
    try {
      await using site = await Site.open(kind, JOBS);
      const specs = (job: string, length: number) =>
        Array.from({ length }, () => ({
          job: `./jobs.ts#${job}`,
          retries: 2,
          backoff: { fixed: 0 },
        }));
      const before = await site.client.invokeMany(specs("quick", 1_000));
      const [eat] = await site.client.invokeMany(specs("eat", 1));
      const after = await site.client.invokeMany(specs("quick", 1_000));
      await site.run("-w", "2");
      await assert.rejects(eat.result({ timeout: 60 }), (error) => {
        assert.ok(error instanceof JobFailedError, String(error));
        assert.equal(error.attempts, 3);
        assert.match(error.message, /worker died while running only this job/);
        return true;
      });
      const quick = [...before, ...after];
      await Promise.all(quick.map((job) => job.result({ timeout: 30 })));
      site.repeats(quick.map(({ id }) => id));
      const listed = await mqk(["failed", "list", "--json", "-s", site.dsn]);
      const failed = listed.stdout.trim().split("\n").map((line) =>
        JSON.parse(line)
      );
      assert.deepEqual(failed.map(({ id }) => id), [eat.id]);
      assert.match(JSON.stringify(failed[0].error), /the worker died/);
      const ids = new Set(quick.map(({ id }) => id));
      assert.ok(
        site.lines().every(({ id, attempt }) => !ids.has(id) || attempt === 1),
      );
    } finally {
      Deno.env.delete("DENO_V8_FLAGS");
    }
  });
}

Deno.test("nine healthy jobs finish once beside one that ignores its signal for ever", async () => {
  await using site = await Site.open("redis", JOBS);
  await site.run("-w", "1", "--concurrency", "10");
  const deaf = await site.client.invoke({
    job: "./jobs.ts#deaf",
    ttl: 1,
    retries: 0,
  });
  const healthy = await site.client.invokeMany(
    Array.from({ length: 9 }, () => ({
      job: "./jobs.ts#healthy",
      args: [8],
      retries: 0,
    })),
  );
  for (const job of healthy) {
    assert.equal(await job.result({ timeout: 30 }), "ok");
  }
  await assert.rejects(deaf.result({ timeout: 20 }), /ttl of 1 s/);
  assert.equal(site.repeats([deaf.id, ...healthy.map(({ id }) => id)]), 0);
});

Deno.test("jobs that wait behind a long one are taken back and run elsewhere", async () => {
  await using site = await Site.open("redis", JOBS);
  const program = await site.run("-w", "4", "--concurrency", "1");
  await eventually(() => assert.equal(program.workerPids.length, 4), 20_000);
  // So that each worker holds as many as it does when jobs are short.
  const warm = await site.client.invokeMany(
    Array.from({ length: 2_000 }, () => ({ job: "./jobs.ts#quick" })),
  );
  await Promise.all(warm.map((job) => job.result()));
  const startedAt = performance.now();
  const [block, ...quick] = await site.client.invokeMany([
    { job: "./jobs.ts#block", args: [20] },
    ...Array.from({ length: 400 }, () => ({ job: "./jobs.ts#quick" })),
  ]);
  await Promise.all(quick.map((job) => job.result({ timeout: 20 })));
  const tookMs = Math.round(performance.now() - startedAt);
  console.log(`400 short jobs beside one of 20 s took ${tookMs} ms`);
  assert.ok(tookMs < 4_000);
  const all = [...warm, block, ...quick].map(({ id }) => id);
  assert.equal(site.repeats(all), 0);
});

Deno.test("jobs that block their thread when they start, and then wait, get all free slots", async () => {
  await using site = await Site.open("redis", JOBS);
  await site.run("-w", "1", "--concurrency", "3");
  // Then the module is loaded, and the first one blocks before others start.
  const warm = await site.client.invoke("./jobs.ts#quick");
  await warm.result();
  const jobs = await site.client.invokeMany(
    Array.from({ length: 3 }, () => ({ job: "./jobs.ts#meet", args: [4] })),
  );
  await Promise.all(jobs.map((job) => job.result({ timeout: 10 })));
  assert.equal(site.repeats([warm, ...jobs].map(({ id }) => id)), 0);
});
