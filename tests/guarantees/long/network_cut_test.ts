/**
 * The network between a worker and Redis is cut, for less and for much longer
 * than a lease: while it is, another worker reaches Redis.
 *
 * @module
 */
import assert from "node:assert/strict";
import { eventually } from "../../harness/eventually.ts";
import type { MqkProcess } from "../../harness/mqk_process.ts";
import { Proxy } from "../../harness/proxy.ts";
import { together } from "../../harness/together.ts";
import { cpuMs } from "../cpu.ts";
import { Site } from "../site.ts";

const JOBS = `
const starts = Deno.openSync("starts.txt", { append: true, create: true });
function starting(): void {
  const line = [Deno.pid, currentJob().id, Date.now()].join(" ") + "\\n";
  starts.writeSync(new TextEncoder().encode(line));
  ran();
}
export async function short() { starting(); await sleep(50); return Deno.pid; }
export async function long() { starting(); await sleep(20_000); return Deno.pid; }
`;
const CONCURRENCY = 10;
const SHORT_CUT_MS = 5_000;
const LONG_CUT_MS = 300_000;
/** Half a lease, and a little: what is held longer unrenewed does not start. */
const MAY_START_MS = 6_000;
/** Until what a lost worker held begins to run in another. */
const TAKEN_OVER_MS = 15_000;
/** Of the end of the cut, until all that was cut off serves again. */
const BACK_MS = 15_000;
/** A worker may use so much of a core while it looks for the store. */
const IDLE_SHARE = 0.05;

const pass = (ms: number) => new Promise((done) => setTimeout(done, ms));

interface Start {
  readonly pid: number;
  readonly id: string;
  readonly atMs: number;
}

/** What jobs have started, in their order. */
function starts(site: Site): Start[] {
  return Deno.readTextFileSync(`${site.dir.path}/starts.txt`).trim().split("\n")
    .map((line) => {
      const [pid, id, atMs] = line.split(" ");
      return { pid: Number(pid), id, atMs: Number(atMs) };
    });
}

function startedBy(site: Site, pids: readonly number[]): Start[] {
  return starts(site).filter(({ pid }) => pids.includes(pid));
}

/** Sends more short jobs than the near worker can run, until it is stopped. */
class Producer implements AsyncDisposable {
  readonly ids: string[] = [];
  readonly #site: Site;
  readonly #running: Promise<void>;
  #ends = false;

  constructor(site: Site) {
    this.#site = site;
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ends = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const calls = Array(20).fill({ job: "./jobs.ts#short" });
    while (!this.#ends) {
      const sent = await this.#site.client.invokeMany(calls);
      this.ids.push(...sent.map(({ id }) => id));
      await pass(50);
    }
  }
}

/** How many jobs the store says that these workers hold. */
async function held(site: Site, pids: readonly number[]): Promise<number> {
  const redis = site.redis!;
  const keys = await redis.call("KEYS", "mqk:{default}:held:*") as string[];
  const counts = await Promise.all(keys.map(async (key) => {
    const name = key.slice("mqk:{default}:held:".length);
    const pid = await redis.call("HGET", `mqk:worker:${name}`, "pid");
    return pids.includes(Number(pid))
      ? await redis.call("HLEN", key) as number
      : 0;
  }));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A program of two workers behind the proxy. */
async function farProgram(site: Site, { port }: Proxy): Promise<MqkProcess> {
  const far = await site.runOn(
    `redis://127.0.0.1:${port}`,
    ...["-w", "2", "--concurrency", String(CONCURRENCY)],
  );
  await site.serving(far, 2);
  return far;
}

/** One with a worker that is never cut off. */
async function nearProgram(site: Site): Promise<MqkProcess> {
  return await site.run("-w", "1", "--concurrency", String(CONCURRENCY));
}

async function ends(mqk: MqkProcess): Promise<void> {
  mqk.signal("SIGTERM");
  assert.equal(await mqk.exitCode(), 0);
}

async function shortCut(what: "lost" | "late"): Promise<void> {
  await using site = await Site.open("redis", JOBS);
  await using proxy = new Proxy(site.redis!.port);
  const far = await farProgram(site, proxy);
  const near = await nearProgram(site);
  const workers = far.workerPids;
  const producer = new Producer(site);
  {
    await using _ends = producer;
    await eventually(
      () => assert.ok(startedBy(site, workers).length > 500),
      60_000,
    );
    proxy.cut(what);
    await eventually(async () => assert.ok(await held(site, workers) > 0));
    await pass(SHORT_CUT_MS);
    proxy.mend();
    const mendedAtMs = Date.now();
    await eventually(() => {
      for (const pid of workers) {
        const last = startedBy(site, [pid]).at(-1)!;
        assert.ok(last.atMs > mendedAtMs);
      }
    }, BACK_MS);
    console.log(`${what}: back after ${Date.now() - mendedAtMs} ms`);
  }
  const { ids } = producer;
  await eventually(() => site.repeats(ids), 60_000);
  await eventually(async () =>
    assert.deepEqual(await site.redis!.call("KEYS", "mqk:{default}:held:*"), [])
  );
  assert.equal(site.repeats(ids), 0);
  assert.deepEqual(far.workerPids, workers, "a worker was replaced");
  console.log(`${what}: ${ids.length} jobs ran once`);
  await together([far, near].map(ends));
}

Deno.test("a cut of 5 s repeats no job and loses none, whether what was sent is lost or late", async () => {
  await together([shortCut("lost"), shortCut("late")]);
});

async function longCut(what: "lost" | "late"): Promise<void> {
  await using site = await Site.open("redis", JOBS);
  await using proxy = new Proxy(site.redis!.port);
  const far = await farProgram(site, proxy);
  const workers = far.workerPids;
  const longs = await site.client.invokeMany(
    Array(3).fill({ job: "./jobs.ts#long", ttl: 120 }),
  );
  await eventually(() => assert.equal(startedBy(site, workers).length, 3));
  const near = await nearProgram(site);
  const producer = new Producer(site);
  let cutAtMs: number;
  {
    await using _ends = producer;
    await eventually(() => assert.ok(startedBy(site, workers).length > 200));
    proxy.cut(what);
    cutAtMs = Date.now();
    await pass(1_000);
  }
  const before = cpuMs(workers);
  // What the far workers ran the near one runs, and the rest as well.
  const takenOverMs = await eventually(() => {
    const had = new Set(startedBy(site, workers).map(({ id }) => id));
    const taken = startedBy(site, near.workerPids)
      .find(({ id, atMs }) => atMs > cutAtMs && had.has(id));
    assert.ok(taken !== undefined);
    return taken.atMs - cutAtMs;
  }, TAKEN_OVER_MS);
  const [pid] = near.workerPids;
  for (const job of longs) {
    assert.equal(await job.result({ timeout: 120 }), pid);
  }
  const ids = [...longs.map(({ id }) => id), ...producer.ids];
  await eventually(() => site.repeats(ids), 30_000);
  const leftMs = cutAtMs + LONG_CUT_MS - Date.now();
  assert.ok(leftMs > 0, "it took longer than the cut");
  await pass(leftMs);
  const share = (cpuMs(workers) - before) / workers.length / LONG_CUT_MS;
  await ends(near);

  const mine = startedBy(site, workers);
  for (const { atMs } of mine) assert.ok(atMs < cutAtMs + MAY_START_MS);
  const again = [...site.starts()].filter(([, count]) => count > 1);
  for (const [id] of again) assert.ok(mine.some((start) => start.id === id));
  assert.ok(again.length <= 2 * 10 * CONCURRENCY, `${again.length} ran again`);
  const complaints = far.stderr.filter((line) => line.includes("Cannot"));
  assert.ok(complaints.length >= 1, "nothing was said");
  assert.ok(complaints.length <= 12, complaints.join("\n"));
  assert.ok(share < IDLE_SHARE, `each worker used ${share} of a core`);

  proxy.mend();
  const mendedAtMs = Date.now();
  const jobs = await site.client.invokeMany(
    Array(100).fill({ job: "./jobs.ts#short" }),
  );
  for (const job of jobs) {
    await job.result({ timeout: BACK_MS / 1000 });
  }
  const same = far.workerPids.filter((one) => workers.includes(one)).length;
  console.log(
    `${what}: taken over after ${takenOverMs} ms; ${again.length} of ` +
      `${ids.length} ran again; back ${Date.now() - mendedAtMs} ms after the ` +
      `cut; ${(100 * share).toFixed(1)} % of a core meanwhile; ` +
      `${same} of 2 processes are the same`,
  );
  console.log(complaints.join("\n"));
  await ends(far);
  // What arrived late has changed nothing.
  const all = [...ids, ...jobs.map(({ id }) => id)];
  assert.equal(site.repeats(all), again.length);
}

Deno.test("in a cut of 5 minutes another worker takes over, and afterwards the first serves again by itself", async () => {
  await together([longCut("lost"), longCut("late")]);
});
