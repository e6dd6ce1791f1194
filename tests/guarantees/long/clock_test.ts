/**
 * The clock of a machine, its store and all its workers, set forward and back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { eventually } from "../../harness/eventually.ts";
import { FakeClock } from "../../harness/fake_clock.ts";
import { TempDir } from "../../harness/temp_dir.ts";
import { together } from "../../harness/together.ts";
import { type BrokerKind, Site } from "../site.ts";

const JOBS = `
export async function short() { ran(); await sleep(30); }
export async function long() { ran(); await sleep(12_000); clock(); }
export async function onceLong() {
  const first = !Deno.readTextFileSync("ran.txt").includes(currentJob().id);
  ran();
  if (first) await sleep(600_000);
}
/** Shows that this process goes by the clock that the test sets. */
export function clock() {
  Deno.writeTextFileSync("clock.txt", String(Date.now()));
}
`;
const HOUR = 3_600;
const WITHIN_MS = 15_000;

/** How many seconds the workers' clock is ahead. */
async function ahead(site: Site): Promise<number> {
  const file = `${site.dir.path}/clock.txt`;
  await Deno.remove(file).catch(() => {});
  await site.client.invoke("./jobs.ts#clock");
  return await eventually(() => {
    const text = Deno.readTextFileSync(file);
    assert.notEqual(text, "");
    return (Number(text) - Date.now()) / 1000;
  }, 30_000);
}

async function isSet(site: Site, aheadSeconds: number): Promise<void> {
  const seen = await ahead(site);
  assert.ok(Math.abs(seen - aheadSeconds) < 60, `${seen} s ahead`);
  if (site.redis === undefined) return;
  const [seconds] = await site.redis.call("TIME") as string[];
  const store = Number(seconds) - Date.now() / 1000;
  assert.ok(Math.abs(store - aheadSeconds) < 60, `${store} s ahead`);
}

/** Steps of the reaper so far: without them nothing lapses, nothing is due. */
async function ticksGoOn(site: Site): Promise<void> {
  if (site.redis === undefined) return;
  const tick = async () =>
    Number(await site.redis!.call("HGET", "mqk:{default}:meta", "tick"));
  const before = await tick();
  await eventually(async () => assert.ok(await tick() > before + 2), 20_000);
}

async function setAmidJobs(kind: BrokerKind): Promise<void> {
  await using folder = new TempDir();
  using clock = new FakeClock(folder);
  await using site = await Site.open(kind, JOBS, { env: clock.env });
  const mqk = await site.run("-w", "2");
  await isSet(site, 0);
  const specs = [
    ...Array(2).fill({ job: "./jobs.ts#long", retries: 0 }),
    ...Array(6_000).fill({ job: "./jobs.ts#short", retries: 0 }),
  ];
  const ids = (await site.client.invokeMany(specs)).map(({ id }) => id);
  await eventually(() => assert.ok(site.lines().length >= 100), 30_000);
  const workers = mqk.workerPids;
  for (const aheadSeconds of [HOUR, -HOUR, 0]) {
    clock.set(aheadSeconds);
    const started = site.lines().length;
    // Before the last of them, so that it stands among jobs that run.
    if (started < ids.length) {
      await eventually(() => assert.ok(site.lines().length > started), 20_000);
    }
    await ticksGoOn(site);
  }
  await eventually(() => site.repeats(ids), 60_000);
  assert.equal(site.repeats(ids), 0);
  for (const pid of workers) assert.ok(mqk.workerPids.includes(pid));
  await isSet(site, 0);
}

async function recoversAfter(
  kind: BrokerKind,
  aheadSeconds: number,
): Promise<void> {
  await using folder = new TempDir();
  using clock = new FakeClock(folder);
  await using site = await Site.open(kind, JOBS, { env: clock.env });
  const lost = await site.run("-w", "1");
  const job = await site.client.invoke({
    job: "./jobs.ts#onceLong",
    retries: 0,
  });
  await eventually(() => assert.equal(site.lines().length, 1), 30_000);
  await site.run("-w", "1");
  for (const pid of [lost.pid, ...lost.workerPids]) Deno.kill(pid, "SIGKILL");
  const lostAtMs = performance.now();
  clock.set(aheadSeconds);
  await eventually(() => assert.equal(site.lines().length, 2), 2 * WITHIN_MS);
  const tookMs = Math.round(performance.now() - lostAtMs);
  console.log(`${kind}, clock set by ${aheadSeconds} s: ${tookMs} ms`);
  assert.equal(site.repeats([job.id]), 1);
  await isSet(site, aheadSeconds);
}

Deno.test("a worker that starts while the clock is set runs its jobs", async () => {
  await using folder = new TempDir();
  using clock = new FakeClock(folder);
  await using site = await Site.open("sqlite", JOBS, { env: clock.env });
  let aheadSeconds = 0;
  const setting = setInterval(() => clock.set(aheadSeconds += HOUR), 20);
  await site.run("-w", "1").finally(() => clearInterval(setting));
  const job = await site.client.invoke("./jobs.ts#short");
  await eventually(() => site.repeats([job.id]));
});

for (const kind of ["redis", "sqlite"] satisfies BrokerKind[]) {
  Deno.test(`no job runs twice when the clock is set an hour forward and back (${kind})`, async () => {
    await setAmidJobs(kind);
  });

  Deno.test(`what a dead worker held runs within 15 s when the clock is set meanwhile (${kind})`, async () => {
    await together([
      recoversAfter(kind, HOUR),
      recoversAfter(kind, -HOUR),
    ]);
  });
}
