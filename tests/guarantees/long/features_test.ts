import assert from "node:assert/strict";
import type { Broker } from "../../../src/broker/broker.ts";
import { openBroker } from "../../../src/broker/open.ts";
import type { JobCall } from "../../../src/client/client.ts";
import { decodeMessage } from "../../../src/job/message.ts";
import { eventually } from "../../harness/eventually.ts";
import type { MqkProcess } from "../../harness/mqk_process.ts";
import { type BrokerKind, Site } from "../site.ts";

/** A job notes when it starts and ends, in which process, and for whom. */
const JOBS = `
const notes = Deno.openSync("notes.txt", { append: true, create: true });
function note(what: string, whose: string) {
  const line = [what, Date.now(), Deno.pid, currentJob().id, whose].join(" ");
  notes.writeSync(new TextEncoder().encode(line + "\\n"));
}
export async function noted(whose: string) {
  note("start", whose);
  await sleep(10 + 40 * Math.random());
  note("end", whose);
}
export function never() {}
`;

const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];
const RUN_MS = 120_000;
const WORKERS = 20;
const SCHEDULES = 500;
const GROUPS = 1_000;
const KEYS = 50;
const AT_ONCE = 12;
const TIMED = "timed";
const LIMITED = "limited";

/** When a job ran, as far as its process lived. */
interface Run {
  readonly id: string;
  readonly whose: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** Kills a worker again and again; answers with when which process died. */
async function killWorkers(
  mqk: MqkProcess,
  endMs: number,
): Promise<Map<number, number>> {
  const died = new Map<number, number>();
  while (performance.now() < endMs) {
    const pids = mqk.workerPids.filter((pid) => !died.has(pid));
    if (pids.length > WORKERS / 2) {
      const pid = pids[Math.floor(Math.random() * pids.length)];
      Deno.kill(pid, "SIGKILL");
      died.set(pid, Date.now());
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return died;
}

/** Sends jobs of all groups and keys, a few at a time; answers with the ids. */
async function send(site: Site, endMs: number): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let n = 0; performance.now() < endMs; n++) {
    const calls = Array.from({ length: 30 }, (_, i): JobCall => {
      const own = { queue: LIMITED, job: "./jobs.ts#noted", retries: 20 };
      const key = `k${(n + i) % KEYS}`;
      const group = `g${(n * 25 + i) % GROUPS}`;
      return i % 6 === 0
        ? { ...own, unique: { key }, args: [key] }
        : { ...own, group, args: [group] };
    });
    for (const job of await site.client.invokeMany(calls)) ids.add(job.id);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return ids;
}

function runs(site: Site, died: ReadonlyMap<number, number>): Run[] {
  const text = Deno.readTextFileSync(`${site.dir.path}/notes.txt`);
  const open = new Map<string, Run>();
  const ended: Run[] = [];
  for (const line of text.trimEnd().split("\n")) {
    const [what, at, pid, id, whose] = line.split(" ");
    const key = `${pid} ${id}`;
    if (what === "start") {
      // Until its process was killed at most, if it has no end.
      const endMs = died.get(Number(pid)) ?? Infinity;
      open.set(key, { id, whose, startMs: Number(at), endMs });
    } else {
      ended.push({ ...open.get(key)!, endMs: Number(at) });
      open.delete(key);
    }
  }
  return [...ended, ...open.values()];
}

/** The most of these that ran at one moment. */
function mostAtOnce(all: readonly Run[]): number {
  const moments = all.flatMap(({ startMs, endMs }) => [
    [startMs, 1],
    [endMs, -1],
  ]);
  // What ends in the millisecond in which another one starts is over.
  moments.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  let most = 0;
  for (const [, change] of moments) most = Math.max(most, now += change);
  return most;
}

async function drain(broker: Broker, queue: string): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const { messages } = await broker.take(queue, 1000, 2 ** 24);
    if (messages.length === 0) return ids;
    for (const text of messages) ids.push(decodeMessage(text).id!);
  }
}

for (const kind of BOTH) {
  Deno.test(`no due time is missing or doubled, no limit exceeded and no key stuck while ${WORKERS} workers are killed for two minutes (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    await using broker = await openBroker(site.dsn);
    const { client } = site;
    await client.queue(LIMITED).setLimits({
      concurrency: AT_ONCE,
      group: { concurrency: 1 },
      groups: { g0: { concurrency: 1, rate: { jobs: 2, per: 10 } } },
    });
    // Its jobs are fired and stay: what runs again after a kill would look
    // like a second job of its due time.
    await client.queue(TIMED).pause();
    const firstMs = new Map<string, number>();
    await Promise.all(Array.from({ length: SCHEDULES }, async (_, i) => {
      const spec = { job: "./jobs.ts#never", every: 1, queue: TIMED };
      const { name, nextAt } = await client.schedule(`s${i}`, spec);
      firstMs.set(name, nextAt!.getTime());
    }));
    const mqk = await site.run(
      ...["-w", String(WORKERS), "--concurrency", "4"],
      ...["--queue", LIMITED, "--queue", TIMED],
    );
    const endMs = performance.now() + RUN_MS;
    const [died, sent] = await Promise.all([
      killWorkers(mqk, endMs),
      send(site, endMs),
    ]);

    await eventually(async () => {
      const [{ scheduled: _, failed, ...left }] = await broker.counts([
        LIMITED,
      ]);
      assert.equal(failed, 0);
      assert.deepEqual(Object.values(left).filter((count) => count > 0), []);
    }, 120_000);
    const all = runs(site, died);
    const ran = new Set(all.map(({ id }) => id));
    assert.deepEqual([...sent].filter((id) => !ran.has(id)), []);
    assert.ok(mostAtOnce(all) <= AT_ONCE, `${mostAtOnce(all)} at once`);
    for (const [whose, own] of Map.groupBy(all, (run) => run.whose)) {
      assert.equal(mostAtOnce(own), 1, `${mostAtOnce(own)} of ${whose}`);
    }

    // Nobody has a key or a place any more.
    const again = await client.invokeMany(
      Array.from({ length: KEYS + GROUPS }, (_, i): JobCall => {
        const own = { queue: LIMITED, job: "./jobs.ts#never" };
        return i < KEYS
          ? { ...own, unique: { key: `k${i}` } }
          : { ...own, group: `g${i - KEYS}` };
      }),
    );
    assert.equal(new Set(again.map(({ id }) => id)).size, KEYS + GROUPS);
    await Promise.all(again.map((job) => job.result({ timeout: 120 })));

    mqk.signal("SIGTERM");
    await mqk.exitCode();
    await client.queue(TIMED).resume();
    const expected: string[] = [];
    for (const { name, nextMs } of await broker.schedules.list(TIMED)) {
      for (let ms = firstMs.get(name)!; ms < nextMs!; ms += 1000) {
        expected.push(`${name}.${ms}`);
      }
    }
    const fired = await drain(broker, TIMED);
    console.log(
      `${died.size} kills, ${fired.length} due times, ${all.length} runs of ` +
        `${sent.size} jobs`,
    );
    assert.ok(fired.length >= SCHEDULES * RUN_MS / 1000);
    assert.deepEqual(fired.sort(), expected.sort());
  });
}
