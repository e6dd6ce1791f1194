import assert from "node:assert/strict";
import { openBroker } from "../../src/broker/open.ts";
import type { MqkProcess } from "../harness/mqk_process.ts";
import { readPid } from "../harness/read_pid.ts";
import { eventually } from "../harness/eventually.ts";
import type { RedisServer } from "../harness/redis_server.ts";
import { type BrokerKind, Site } from "./site.ts";

const JOBS = `
export async function where() { await sleep(20); return Deno.pid; }
export async function short() { ran(); await sleep(5); }
export async function onceLong() {
  const first = !Deno.readTextFileSync("ran.txt").includes(currentJob().id);
  ran();
  Deno.writeTextFileSync("pid.txt", String(Deno.pid));
  if (first) await sleep(60_000);
}
`;
const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];

function kill(...pids: number[]): void {
  for (const pid of pids) Deno.kill(pid, "SIGKILL");
}

async function shortJobs(site: Site, length: number): Promise<string[]> {
  const jobs = await site.client.invokeMany(
    Array.from({ length }, () => ({ job: "./jobs.ts#short", retries: 0 })),
  );
  return jobs.map(({ id }) => id);
}

/** All workers of a program have run a job, so the module is loaded. */
async function allAreWarm(site: Site, mqk: MqkProcess): Promise<void> {
  await eventually(async () => {
    const jobs = await site.client.invokeMany(
      Array.from({ length: 40 }, () => ({ job: "./jobs.ts#where" })),
    );
    const pids = await Promise.all(jobs.map((job) => job.result()));
    assert.deepEqual(new Set(pids), new Set(mqk.workerPids));
  }, 30_000);
}

async function allRan(
  site: Site,
  ids: readonly string[],
  withinMs = 30_000,
): Promise<number> {
  await eventually(() => site.repeats(ids), withinMs);
  return site.repeats(ids);
}

async function nothingFailed(mqk: MqkProcess): Promise<void> {
  mqk.signal("SIGTERM");
  assert.equal(await mqk.exitCode(), 0);
}

for (const kind of BOTH) {
  Deno.test(`no job is lost, none is charged, when workers are killed amid batches (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    await using broker = await openBroker(site.dsn);
    const counts = async () => (await broker.counts(["default"]))[0];
    const mqk = await site.run("-w", "2");
    const ids = await shortJobs(site, 6_000);
    let unsettled = 0;
    for (let kills = 1; kills <= 3; kills++) {
      const started = site.lines().length + 300;
      await eventually(() => assert.ok(site.lines().length >= started), 60_000);
      const [worker] = mqk.workerPids;
      // Only what it had started and not settled may run again.
      Deno.kill(worker, "SIGSTOP");
      const { ready, held, suspect } = await counts();
      const settled = ids.length - ready - held - suspect;
      unsettled += site.starts().size - settled;
      kill(worker);
      // A kill of who runs a suspect would look like the suspect's own doing.
      await eventually(async () => {
        const recovered = mqk.stderr.filter((line) => /Recovered/.test(line));
        assert.equal(recovered.length, kills);
        const { suspect, crashed } = await counts();
        assert.equal(suspect + crashed, 0);
      }, 60_000);
    }
    const repeats = await allRan(site, ids, 90_000);
    console.log(`${unsettled} were not settled, ${repeats} ran again`);
    assert.ok(repeats <= unsettled);
    assert.ok(site.lines().every(({ attempt }) => attempt === 1));
    assert.equal((await counts()).failed, 0);
    await nothingFailed(mqk);
  });

  Deno.test(`what a killed worker ran runs again within a second (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const mqk = await site.run("-w", "2");
    await eventually(() => assert.equal(mqk.workerPids.length, 2));
    await allAreWarm(site, mqk);
    const job = await site.client.invoke({
      job: "./jobs.ts#onceLong",
      retries: 0,
    });
    const worker = await eventually(() => {
      assert.equal(site.lines().length, 1);
      return readPid(`${site.dir.path}/pid.txt`);
    });
    const killedAt = performance.now();
    kill(worker);
    await eventually(() => assert.equal(site.lines().length, 2));
    const tookMs = Math.round(performance.now() - killedAt);
    console.log(`ran again after ${tookMs} ms`);
    assert.ok(tookMs < 2_000, `took ${tookMs} ms`);
    await job.result({ timeout: 5 });
  });

  Deno.test(`workers outlive a killed master no longer than the shutdown timeout, and nothing is lost (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const mqk = await site.run("-w", "2", "--shutdown-timeout", "2");
    const ids = await shortJobs(site, 2_000);
    await eventually(() => assert.ok(site.lines().length >= 300));
    const workers = mqk.workerPids;
    kill(mqk.pid);
    await mqk.status;
    await eventually(() => {
      for (const pid of workers) {
        assert.throws(() => Deno.kill(pid, "SIGCONT"), Deno.errors.NotFound);
      }
    }, 8_000);
    const next = await site.run("-w", "2", "-b");
    assert.equal(await next.exitCode(), 0);
    assert.ok(site.repeats(ids) <= 2 * 10);
  });
}

for (const kind of BOTH) {
  Deno.test(`when a whole machine is gone its jobs run within 15 s on another (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const lost = await site.run("-w", "2");
    const jobs = await site.client.invokeMany(
      Array.from({ length: 5 }, () => ({ job: "./jobs.ts#onceLong" })),
    );
    await eventually(() => assert.equal(site.lines().length, 5));
    await site.run("-w", "2");
    const killedAt = performance.now();
    kill(lost.pid, ...lost.workerPids);
    await Promise.all(jobs.map((job) => job.result({ timeout: 35 })));
    const tookMs = Math.round(performance.now() - killedAt);
    console.log(`all done after ${tookMs} ms`);
    assert.ok(tookMs < 30_000);
    assert.ok(site.lines().every(({ attempt }) => attempt === 1));
  });
}

/** What the worker with this number holds, as the broker has it. */
async function heldBy(redis: RedisServer, pid: number): Promise<Set<string>> {
  for (const key of await redis.call("KEYS", "mqk:worker:*") as string[]) {
    if (await redis.call("HGET", key, "pid") !== String(pid)) continue;
    const name = key.slice("mqk:worker:".length);
    const messages = await redis.call("HVALS", `mqk:{default}:held:${name}`);
    return new Set((messages as string[]).map((text) => JSON.parse(text).id));
  }
  throw new Error(`No worker has number ${pid}`);
}

Deno.test("of a killed worker runs again only what it had started and not settled", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run("-w", "2");
  await eventually(() => assert.equal(mqk.workerPids.length, 2));
  const ids = await shortJobs(site, 3_000);
  await eventually(() => assert.ok(site.lines().length >= 1_000), 20_000);
  const [worker] = mqk.workerPids;
  // It stands still, so that what it holds can be compared with what it began.
  Deno.kill(worker, "SIGSTOP");
  const held = await heldBy(site.redis!, worker);
  const started = site.starts();
  kill(worker);
  const repeats = await allRan(site, ids);
  const again = [...site.starts()].filter(([, count]) => count > 1)
    .map(([id]) => id);
  console.log(`${held.size} were held, ${again.length} ran again`);
  assert.equal(repeats, again.length);
  for (const id of again) assert.ok(held.has(id) && started.has(id), id);
  assert.ok(site.lines().every(({ attempt }) => attempt === 1));
});
