/**
 * Outages of Redis while long jobs run: they end once, and all goes on.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Job } from "../../../src/client/job.ts";
import { BrokerError, EnqueueUncertainError } from "../../../src/errors.ts";
import { eventually } from "../../harness/eventually.ts";
import type { MqkProcess } from "../../harness/mqk_process.ts";
import { cpuMs } from "../cpu.ts";
import { Site } from "../site.ts";

const JOBS = `
export async function long(seconds) { ran(); await sleep(seconds * 1000); return Deno.pid; }
export async function short() { ran(); await sleep(5); return 1; }
`;
const WORKERS = 3;
/** Less than one per worker, so that one of them is idle. */
const LONG_JOBS = 2;
/** An idle worker may use so much of a core while it looks for the store. */
const IDLE_SHARE = 0.05;

const pass = (ms: number) => new Promise((done) => setTimeout(done, ms));

interface Scene {
  readonly mqk: MqkProcess;
  readonly workers: readonly number[];
  readonly jobs: readonly Job[];
  /** Settles when all jobs have a result. */
  readonly results: Promise<unknown[]>;
}

/** Long jobs run on all workers but one, and their results are awaited. */
async function longJobs(site: Site, seconds: number): Promise<Scene> {
  const mqk = await site.run("-w", String(WORKERS), "--concurrency", "1");
  const workers = await site.serving(mqk, WORKERS);
  const jobs = await site.client.invokeMany(
    Array(LONG_JOBS).fill({ job: "./jobs.ts#long", args: [seconds], ttl: 300 }),
  );
  const results = Promise.all(jobs.map((job) => job.result({ timeout: 300 })));
  await eventually(() => assert.equal(site.lines().length, LONG_JOBS), 20_000);
  return { mqk, workers, jobs, results };
}

/** All jobs ended once, on the processes that began them, without a flood. */
async function allGoesOn(
  site: Site,
  { mqk, workers, jobs, results }: Scene,
): Promise<void> {
  const ends = await results;
  assert.ok(ends.every((pid) => workers.includes(pid as number)));
  const shorts = await site.client.invokeMany(
    Array(50).fill({ job: "./jobs.ts#short" }),
  );
  await Promise.all(shorts.map((job) => job.result()));
  const ids = [...jobs, ...shorts].map(({ id }) => id);
  assert.equal(site.repeats(ids), 0);
  assert.deepEqual(mqk.workerPids, workers, "a worker was replaced");
  const complaints = mqk.stderr.filter((line) => line.includes("Cannot"));
  console.log(complaints.join("\n"));
  assert.ok(complaints.length >= 1, "nothing was said");
  assert.ok(complaints.length <= 2 * WORKERS, "too much was said");
  mqk.signal("SIGTERM");
  assert.equal(await mqk.exitCode(), 0);
}

/** Lets an outage pass; answers with the share of a core of each worker. */
async function idleThrough(
  workers: readonly number[],
  ms: number,
): Promise<void> {
  const before = workers.map((pid) => cpuMs([pid]));
  await pass(ms);
  const shares = workers.map((pid, i) => (cpuMs([pid]) - before[i]) / ms);
  const percent = shares.map((share) => `${(share * 100).toFixed(1)} %`);
  console.log(`CPU of each worker meanwhile: ${percent.join(", ")}`);
  for (const share of shares) assert.ok(share < IDLE_SHARE);
}

Deno.test("jobs of 90 s end once when Redis with AOF is gone for 60 s meanwhile", async () => {
  await using site = await Site.open("redis", JOBS, { aof: true });
  const scene = await longJobs(site, 90);
  await site.redis!.kill();
  await idleThrough(scene.workers, 60_000);
  await site.redis!.restart();
  const backAtMs = performance.now();
  const job = await eventually(() => site.client.invoke("./jobs.ts#short"));
  await job.result();
  const tookMs = Math.round(performance.now() - backAtMs);
  console.log(`a new job was done ${tookMs} ms after Redis was back`);
  assert.ok(tookMs < 10_000);
  await allGoesOn(site, { ...scene, jobs: [...scene.jobs, job] });
});

Deno.test("jobs of 30 s end once when Redis stands still for 20 s, and invoke rejects within 6 s", async () => {
  await using site = await Site.open("redis", JOBS, { aof: true });
  const scene = await longJobs(site, 30);
  site.redis!.pause();
  const idle = idleThrough(scene.workers, 20_000);
  const [first, second] = [await refused(site), await refused(site)];
  // Sent on a connection that stood; it is only late, and runs after all.
  assert.ok(first instanceof EnqueueUncertainError, String(first));
  assert.equal(first.uncertain.length, 1);
  assert.deepEqual(first.confirmed, []);
  // On a new connection nothing was sent: for certain there is no such job.
  assert.ok(second instanceof BrokerError, String(second));
  assert.match(second.message, /No job was stored/);
  await idle;
  site.redis!.resume();
  await eventually(() => site.repeats(first.uncertain), 20_000);
  assert.equal(site.lines().length, LONG_JOBS + 1);
  const late = { id: first.uncertain[0] } as Job;
  await allGoesOn(site, { ...scene, jobs: [...scene.jobs, late] });
});

Deno.test("the list of queues is right again within a minute after all keys are gone", async () => {
  await using site = await Site.open("redis", JOBS);
  const redis = site.redis!;
  const mqk = await site.run("-w", "1", "--queue", "default", "--queue", "b");
  const workers = await site.serving(mqk, 1);
  await redis.call("FLUSHALL");
  const goneAtMs = performance.now();
  await eventually(async () => {
    const queues = await redis.call("SMEMBERS", "mqk:queues") as string[];
    assert.deepEqual(queues.sort(), ["b", "default"]);
  }, 120_000);
  const tookMs = Math.round(performance.now() - goneAtMs);
  console.log(`right again after ${tookMs} ms`);
  assert.deepEqual(mqk.workerPids, workers);
});

/** Why a job was refused, within 6 s. */
async function refused(site: Site): Promise<Error> {
  const startedMs = performance.now();
  const error = await site.client.invoke("./jobs.ts#short")
    .then(() => new Error("it was stored"), (error) => error as Error);
  const tookMs = Math.round(performance.now() - startedMs);
  console.log(`invoke: ${error.name} after ${tookMs} ms`);
  assert.ok(tookMs < 6_000);
  return error;
}
