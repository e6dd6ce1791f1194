import assert from "node:assert/strict";
import type { Job } from "../../../src/client/job.ts";
import { eventually } from "../../harness/eventually.ts";
import { type BrokerKind, Site } from "../site.ts";

const JOBS = `
export async function steady() { ran(); await sleep(8_000); }
export async function onceLong() {
  const first = !Deno.readTextFileSync("ran.txt").includes(currentJob().id);
  ran();
  if (first) await sleep(600_000);
}
`;
const WORKERS = 2;
const CONCURRENCY = 4;
const SLOTS = WORKERS * CONCURRENCY;
/** What a suspect is promised amid jobs that always run. */
const WITHIN_MS = 60_000;

/** How often a job has started. */
function starts(site: Site, id: string): number {
  return site.starts().get(id) ?? 0;
}

/**
 * A job that ran alone in a program which is then gone as a whole. Only this
 * one is idle, so it takes the job.
 */
async function diesWithItsMachine(site: Site): Promise<Job> {
  await using lost = await site.run("-w", "1", "--queue", "rare");
  const job = await site.client.invoke({
    job: "./jobs.ts#onceLong",
    queue: "rare",
    retries: 0,
    ttl: 1_000,
  });
  await eventually(() => assert.equal(starts(site, job.id), 1), 60_000);
  for (const pid of [lost.pid, ...lost.workerPids]) Deno.kill(pid, "SIGKILL");
  return job;
}

/**
 * Keeps all slots full, and more waiting, until its signal aborts. The slots
 * become free one after the other, never several at once.
 */
async function keepFull(
  site: Site,
  signal: AbortSignal,
  full: () => void,
): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    jobs.push(await site.client.invoke("./jobs.ts#steady"));
    await new Promise((done) => setTimeout(done, 8_000 / SLOTS));
  }
  full();
  while (!signal.aborted) {
    const unstarted = jobs.length - site.starts().size;
    if (unstarted < 2 * SLOTS) {
      jobs.push(
        ...await site.client.invokeMany(
          Array.from({ length: SLOTS }, () => ({ job: "./jobs.ts#steady" })),
        ),
      );
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  return jobs;
}

async function suspectRuns(job: Job): Promise<number> {
  const lostAt = performance.now();
  await job.result({ timeout: 2 * WITHIN_MS / 1000 });
  return Math.round(performance.now() - lostAt);
}

async function suspectsRunAmidLoad(kind: BrokerKind): Promise<void> {
  await using site = await Site.open(kind, JOBS);
  const mqk = await site.run(
    ...["-w", String(WORKERS), "--concurrency", String(CONCURRENCY)],
    ...["--queue", "rare", "--queue", "default"],
  );
  const enough = new AbortController();
  const full = Promise.withResolvers<void>();
  const steady = keepFull(site, enough.signal, full.resolve);
  await full.promise;
  const first = await diesWithItsMachine(site);
  const firstMs = await suspectRuns(first);
  // The workers go on; a second one finds them as busy as before.
  await eventually(() => assert.equal(mqk.workerPids.length, WORKERS));
  const second = await diesWithItsMachine(site);
  const secondMs = await suspectRuns(second);
  console.log(`${kind}: suspects done ${firstMs} and ${secondMs} ms after`);
  enough.abort();
  const jobs = await steady;
  await Promise.all(jobs.map((job) => job.result({ timeout: 120 })));
  const repeats = site.repeats([...jobs, first, second].map(({ id }) => id));
  assert.equal(repeats, 2, "only the suspects run again");
  assert.ok(site.lines().every(({ attempt }) => attempt === 1));
}

Deno.test("a suspect runs within a minute amid jobs that keep every slot busy, and so does the next one", async () => {
  const kinds = ["redis", "sqlite"] satisfies BrokerKind[];
  await Promise.all(kinds.map(suspectsRunAmidLoad));
});
