/**
 * A store that loses answers, forgets, or is not ready yet: workers go on.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Scripts } from "../../src/broker/redis/scripts.ts";
import { eventually } from "../harness/eventually.ts";
import type { MqkProcess } from "../harness/mqk_process.ts";
import { type Fate, Proxy } from "../harness/proxy.ts";
import { together } from "../harness/together.ts";
import { Site } from "./site.ts";

const JOBS = `
export async function short() { ran(); await sleep(5); }
export async function pid() { ran(); await sleep(5); return Deno.pid; }
export async function untilAborted() {
  ran();
  const { signal } = currentJob();
  await new Promise((done) => signal.addEventListener("abort", done));
  Deno.writeTextFileSync("aborted.txt", String(signal.reason));
}
`;
const SCRIPTS = new Scripts();

async function shortJobs(site: Site, length: number): Promise<string[]> {
  const jobs = await site.client.invokeMany(
    Array.from({ length }, () => ({ job: "./jobs.ts#short" })),
  );
  return jobs.map(({ id }) => id);
}

/** Lines that say that something can't be done. */
function complaints(mqk: MqkProcess): string[] {
  return mqk.stderr.filter((line) => line.includes("Cannot"));
}

/** The first call of a script that concerns jobs meets this fate. */
async function firstCall(
  script: "reserve" | "settle",
  fate: Exclude<Fate, "answered">,
): Promise<void> {
  await using site = await Site.open("redis", JOBS);
  await using proxy = new Proxy(site.redis!.port);
  // The jobs are there before the worker, so that its first reserve has some.
  const ids = await shortJobs(site, 20);
  const { sha } = SCRIPTS.get(script);
  let lostAtMs = 0;
  proxy.decide = (request) => {
    if (lostAtMs > 0 || !request.includes(sha)) return "answered";
    lostAtMs = performance.now();
    return fate;
  };
  const mqk = await site.runOn(`redis://127.0.0.1:${proxy.port}`, "-w", "1");
  const [worker] = mqk.workerPids;
  await eventually(() => assert.ok(lostAtMs > 0), 30_000);
  await eventually(() => site.repeats(ids), 30_000);
  const tookMs = Math.round(performance.now() - lostAtMs);
  console.log(`${script}, ${fate}: all ran after ${tookMs} ms`);
  assert.ok(tookMs < 30_000, `took ${tookMs} ms`);
  await eventually(async () =>
    assert.deepEqual(await site.redis!.call("KEYS", "mqk:{default}:held:*"), [])
  );
  assert.equal(site.repeats(ids), 0);
  assert.deepEqual(mqk.workerPids, [worker], "the worker was replaced");
}

Deno.test("jobs whose reserve was not answered run once, within 15 s", async () => {
  await together([
    firstCall("reserve", "answer vanishes"),
    firstCall("reserve", "answer is cut off"),
  ]);
});

Deno.test("jobs whose end was not confirmed do not run again", async () => {
  await together([
    firstCall("settle", "answer vanishes"),
    firstCall("settle", "answer is cut off"),
    firstCall("settle", "never arrives"),
  ]);
});

Deno.test("workers go on when the server forgets the scripts", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run("-w", "2");
  const workers = await site.serving(mqk, 2);
  const ids = await shortJobs(site, 2_000);
  for (const started of [200, 700, 1_200, 1_700]) {
    await eventually(() => assert.ok(site.lines().length >= started), 30_000);
    await site.redis!.call("SCRIPT", "FLUSH");
  }
  await eventually(() => site.repeats(ids), 30_000);
  assert.equal(site.repeats(ids), 0);
  assert.deepEqual(mqk.workerPids, workers);
  assert.deepEqual(complaints(mqk), []);
});

Deno.test("workers go on when the server comes back empty, and its list of queues is right again", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run("-w", "2", "--queue", "default", "--queue", "b");
  const workers = await site.serving(mqk, 2);
  await site.redis!.kill();
  await eventually(() => assert.ok(complaints(mqk).length > 0));
  await site.redis!.restart();
  // By itself, as a program in another language would not note the names.
  await eventually(async () => {
    const queues = await site.redis!.call("SMEMBERS", "mqk:queues");
    assert.deepEqual((queues as string[]).sort(), ["b", "default"]);
  });
  const job = await site.client.invoke("./jobs.ts#pid");
  assert.ok(workers.includes(await job.result() as number));
  assert.deepEqual(mqk.workerPids, workers);
});

Deno.test("a worker whose job the server has forgotten aborts it and is replaced", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run("-w", "1");
  const [worker] = await site.serving(mqk, 1);
  await site.client.invoke("./jobs.ts#untilAborted");
  await eventually(() => assert.equal(site.lines().length, 1));
  await site.redis!.call("FLUSHALL");
  const job = await site.client.invoke("./jobs.ts#pid");
  assert.notEqual(await job.result(), worker);
  assert.match(
    Deno.readTextFileSync(`${site.dir.path}/aborted.txt`),
    /lease/,
  );
});

Deno.test("workers and waiting results go on after a server that loads its file for long", async () => {
  // In microseconds; while it loads it answers after every 1,024 commands.
  const config = ["--key-load-delay", "500"];
  const keys = Array.from({ length: 8_000 }, (_, n) => n);
  await using site = await Site.open("redis", JOBS, { aof: true, config });
  const mqk = await site.run("-w", "2");
  const workers = await site.serving(mqk, 2);
  await Promise.all(keys.map((key) => site.redis!.call("SET", key, "")));
  const later = await site.client.invoke({ job: "./jobs.ts#pid", delay: 4 });
  const result = later.result({ timeout: 30 });
  const startedMs = performance.now();
  await site.redis!.restart();
  const loadedMs = Math.round(performance.now() - startedMs);
  console.log(`the server loaded for ${loadedMs} ms`);
  assert.ok(loadedMs > 3_000);
  assert.ok(workers.includes(await result as number));
  assert.deepEqual(mqk.workerPids, workers);
  assert.equal(site.repeats([later.id]), 0);
});
