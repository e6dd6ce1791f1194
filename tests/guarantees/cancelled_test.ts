import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { openBroker } from "../../src/broker/open.ts";
import type { Job } from "../../src/client/job.ts";
import { JobCancelledError } from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";
import type { MqkProcess } from "../harness/mqk_process.ts";
import { type BrokerKind, Site } from "./site.ts";

const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];

const JOBS = `
const mark = (name, text = "") => Deno.writeTextFileSync(name, text);
export async function throwsWhenTold() {
  const { signal } = currentJob();
  mark("runs");
  await new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      mark("heard", signal.reason.name);
      reject(signal.reason);
    });
  });
}
export async function returnsWhenTold() {
  const { signal } = currentJob();
  mark("runs");
  await new Promise((done) => signal.addEventListener("abort", done));
  return "a part of it";
}
export async function ignores() {
  mark("runs");
  await sleep(300_000);
}
export function blocks() {
  mark("runs");
  for (;;);
}
export async function neighbour() { ran(); await sleep(1500); }
export function short() { ran(); }
`;

async function runs(site: Site): Promise<void> {
  await eventually(() => assert.ok(existsSync(`${site.dir.path}/runs`)));
}

async function isCancelled(job: Job): Promise<void> {
  await assert.rejects(job.result({ timeout: 30 }), JobCancelledError);
  assert.equal(await job.status(), "cancelled");
}

/** The log says so: its worker has dropped or stopped it. */
async function isStopped(mqk: MqkProcess, job: Job): Promise<void> {
  await eventually(() => {
    const lines = mqk.stderr.filter((line) => line.includes("was cancelled"));
    assert.equal(lines.length, 1, mqk.stderr.join("\n"));
    assert.ok(lines[0].includes(job.id));
  }, 20_000);
}

/** Nothing is left of any job, and none was charged or failed. */
async function allIsClean(site: Site, starts: number): Promise<void> {
  await using broker = await openBroker(site.dsn);
  await eventually(async () => {
    const [counts] = await broker.counts(["default"]);
    const { ready, suspect, crashed, held, retry, failed } = counts;
    assert.equal(ready + suspect + crashed + held + retry + failed, 0);
  }, 30_000);
  assert.deepEqual((await broker.cancelled("default", 0)).ids, []);
  assert.equal(site.lines().length, starts);
  assert.ok(site.lines().every(({ attempt }) => attempt === 1));
}

for (const kind of BOTH) {
  for (const job of ["throwsWhenTold", "returnsWhenTold"]) {
    Deno.test(`a job that is cancelled while it runs hears of it within two seconds: ${job} (${kind})`, async () => {
      await using site = await Site.open(kind, JOBS);
      const mqk = await site.run("-w", "1");
      const sent = await site.client.invoke(`./jobs.ts#${job}`);
      await runs(site);
      const startedMs = performance.now();
      assert.equal(await sent.cancel(), true);
      await isCancelled(sent);
      await isStopped(mqk, sent);
      const tookMs = performance.now() - startedMs;
      assert.ok(tookMs < 4_000, `${tookMs} ms`);
      assert.equal(mqk.workerPids.length, 1);
      assert.ok(!mqk.stderr.some((line) => line.includes("replaced")));
      if (job === "throwsWhenTold") {
        const heard = Deno.readTextFileSync(`${site.dir.path}/heard`);
        assert.equal(heard, "JobCancelledError");
      }
      assert.equal(await sent.status(), "cancelled");
      assert.equal(await sent.cancel(), false, "it has ended");
      await allIsClean(site, 0);
    });
  }

  Deno.test(`a job that is cancelled while its module loads does not run (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    site.dir.write(
      "slow.ts",
      `import { ran, sleep } from "./jobs.ts";
       Deno.writeTextFileSync("runs", "");
       await sleep(3000);
       export function job() { ran(); }`,
    );
    const mqk = await site.run("-w", "1");
    const sent = await site.client.invoke("./slow.ts#job");
    await runs(site);
    await sent.cancel();
    await isCancelled(sent);
    await isStopped(mqk, sent);
    const next = await site.client.invoke("./jobs.ts#short");
    await next.result();
    await allIsClean(site, 1);
  });

  Deno.test(`a cancelled job that goes on is stopped, and its neighbours end once (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const mqk = await site.run("-w", "1");
    const sent = await site.client.invoke("./jobs.ts#ignores");
    await runs(site);
    const neighbours = await site.client.invokeMany(
      Array.from({ length: 4 }, () => ({ job: "./jobs.ts#neighbour" })),
    );
    await eventually(() => assert.equal(site.lines().length, 4));
    const [pid] = mqk.workerPids;
    await sent.cancel();
    await isCancelled(sent);
    await Promise.all(neighbours.map((job) => job.result()));
    await isStopped(mqk, sent);
    await eventually(() => {
      assert.ok(!mqk.workerPids.includes(pid));
      const log = mqk.stderr.join("\n");
      assert.match(log, /a job ignores that it is cancelled/);
    }, 20_000);
    await allIsClean(site, 4);
  });

  Deno.test(`a cancelled job that blocks its thread dies with its process, and its neighbours are not charged (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const mqk = await site.run("-w", "1");
    const jobs = await site.client.invokeMany([
      { job: "./jobs.ts#neighbour", retries: 0 },
      { job: "./jobs.ts#blocks", retries: 0 },
      { job: "./jobs.ts#short", retries: 0 },
      { job: "./jobs.ts#short", retries: 0 },
    ]);
    const [neighbour, sent, ...others] = jobs;
    await runs(site);
    await sent.cancel();
    await isCancelled(sent);
    await Promise.all(
      [neighbour, ...others].map((job) => job.result({ timeout: 60 })),
    );
    await isStopped(mqk, sent);
    // The one that ran beside it runs again.
    await allIsClean(site, 4);
    assert.equal(site.repeats([neighbour, ...others].map(({ id }) => id)), 1);
  });

  Deno.test(`a job that is cancelled while it waits never runs, and is no failure (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const jobs = await site.client.invokeMany(
      Array.from({ length: 50 }, () => ({ job: "./jobs.ts#short" })),
    );
    const cancelled = jobs.filter((_, i) => i % 2 === 0);
    const others = jobs.filter((_, i) => i % 2 === 1);
    await Promise.all(cancelled.map((job) => job.cancel()));
    const mqk = await site.run("-w", "2", "--burst");
    assert.equal(await mqk.exitCode(), 0);
    await Promise.all(cancelled.map(isCancelled));
    assert.deepEqual(
      new Set(site.starts().keys()),
      new Set(others.map(({ id }) => id)),
    );
    await allIsClean(site, 25);
  });
}
