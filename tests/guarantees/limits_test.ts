import assert from "node:assert/strict";
import { openBroker } from "../../src/broker/open.ts";
import type { Job } from "../../src/client/job.ts";
import { eventually } from "../harness/eventually.ts";
import { readPid } from "../harness/read_pid.ts";
import { type BrokerKind, Site } from "./site.ts";

const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];

/** Jobs that say when they ran: a line each with name, start and end. */
const JOBS = `
const times = Deno.openSync("times.txt", { append: true, create: true });
export async function timed(name, ms) {
  const start = Date.now();
  await sleep(ms);
  const line = [name, start, Date.now()].join(" ") + "\\n";
  times.writeSync(new TextEncoder().encode(line));
}
export async function marked(name, ms) {
  Deno.writeTextFileSync(name + ".pid", String(Deno.pid));
  await timed(name, ms);
}
`;

/** When a job ran, in milliseconds since 1970. */
interface Run {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

function runs(site: Site): Run[] {
  return Deno.readTextFileSync(`${site.dir.path}/times.txt`).split("\n")
    .filter((line) => line !== "").map((line) => {
      const [name, start, end] = line.split(" ");
      return { name, startMs: Number(start), endMs: Number(end) };
    });
}

/** How many of these ran at once, at most. */
function mostAtOnce(all: readonly Run[]): number {
  const beginnings = all.map(({ startMs }) =>
    all.filter((other) => other.startMs <= startMs && startMs < other.endMs)
      .length
  );
  return Math.max(...beginnings);
}

async function ended(jobs: readonly Job[]): Promise<void> {
  await Promise.all(jobs.map((job) => job.result({ timeout: 60 })));
}

for (const kind of BOTH) {
  Deno.test(`a limit leaves no pauses between jobs (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    await site.client.queue("default").setLimits({ concurrency: 1 });
    const jobs = await site.client.invokeMany(
      Array.from({ length: 60 }, () => ({
        job: "./jobs.ts#timed",
        args: ["x", 5],
      })),
    );
    await site.run("-w", "1");
    await ended(jobs);
    const all = runs(site);
    assert.equal(mostAtOnce(all), 1);
    const tookMs = all.at(-1)!.endMs - all[0].startMs;
    // With a look 4 times a second it would take 15 s.
    assert.ok(tookMs < 8_000, `${tookMs} ms`);
  });

  Deno.test(`no limit is exceeded, and nothing is stuck, when workers are killed (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const queue = site.client.queue("default");
    await queue.setLimits({ concurrency: 5, group: { concurrency: 1 } });
    const groups = ["a", "b", "c", "d"];
    const unique = {
      job: "./jobs.ts#marked",
      args: ["unique", 3_000],
      unique: {},
    };
    const { args } = unique;
    const only = await site.client.invoke(unique, ...args);
    const jobs = await site.client.invokeMany(
      Array.from({ length: 80 }, (_, i) => ({
        job: "./jobs.ts#timed",
        args: [groups[i % 4], 40],
        group: groups[i % 4],
      })),
    );
    const mqk = await site.run("-w", "2");
    const pidFile = `${site.dir.path}/unique.pid`;
    for (let kills = 1; kills <= 2; kills++) {
      const pid = await eventually(() => readPid(pidFile), 30_000);
      Deno.removeSync(pidFile);
      Deno.kill(pid, "SIGKILL");
      const again = await site.client.invoke(unique, ...args);
      assert.equal(again.id, only.id, "it has its key still");
      await eventually(() => {
        const recovered = mqk.stderr.filter((line) => /Recovered/.test(line));
        assert.equal(recovered.length, kills);
      }, 20_000);
    }
    await ended([only, ...jobs]);
    const all = runs(site);
    assert.equal(all.filter(({ name }) => name === "unique").length, 1);
    for (const group of groups) {
      const own = all.filter(({ name }) => name === group);
      assert.ok(own.length >= 20);
      assert.equal(mostAtOnce(own), 1, `group ${group}`);
    }
    assert.ok(mostAtOnce(all) <= 5);
    // All places and the key are free.
    const next = await site.client.invoke(unique, ...args);
    assert.notEqual(next.id, only.id);
    await ended([
      next,
      ...await site.client.invokeMany(groups.map((group) => ({
        job: "./jobs.ts#timed",
        args: [group, 1],
        group,
      }))),
    ]);
    await using broker = await openBroker(site.dsn);
    await eventually(async () => {
      const [counts] = await broker.counts(["default"]);
      assert.deepEqual(Object.values(counts), Object.values(counts).fill(0));
    });
  });

  Deno.test(`a rate holds for all workers together (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const rate = { jobs: 10, per: 1 };
    await site.client.queue("default").setLimits({ rate });
    const jobs = await site.client.invokeMany(
      Array.from({ length: 40 }, () => ({
        job: "./jobs.ts#timed",
        args: ["x", 1],
      })),
    );
    await site.run("-w", "2");
    await ended(jobs);
    const starts = runs(site).map(({ startMs }) => startMs).sort();
    const tookMs = starts.at(-1)! - starts[0];
    // Four periods, of which the first is over at once.
    assert.ok(tookMs > 2_500, `${tookMs} ms`);
  });

  Deno.test(`a job that no worker can read leaves its place in its group (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const { client } = site;
    const limits = { group: { concurrency: 1 } };
    await client.queue("default").setLimits(limits);
    await using broker = await openBroker(site.dsn);
    const message = '{"v":1,"id":"later.1","job":"./jobs.ts#timed","ttl":-1,' +
      '"group":"g","unique":{"key":"k","until":"end"}}';
    await broker.enqueue([{
      id: "later.1",
      queue: "default",
      message,
      group: "g",
      unique: { key: "k", replace: false },
    }]);
    const job = { job: "./jobs.ts#timed", group: "g", unique: { key: "k" } };
    await site.run("-w", "1");
    await eventually(async () => {
      const sent = await client.invoke(job, "x", 1);
      assert.notEqual(sent.id, "later.1");
      await sent.result({ timeout: 10 });
    }, 20_000);
  });

  Deno.test(`queues with weights share a worker roughly as these say (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const send = (queue: string) =>
      site.client.invokeMany(
        Array.from({ length: 400 }, () => ({
          job: "./jobs.ts#timed",
          args: [queue, 4],
          queue,
        })),
      );
    const jobs = [...await send("low"), ...await send("high")];
    const queues = ["--queue", "low=1", "--queue", "high=5"];
    await site.run("-w", "1", "--concurrency", "1", ...queues);
    await eventually(() => assert.ok(runs(site).length > 240), 60_000);
    const seen = runs(site).slice(0, 240);
    const high = seen.filter(({ name }) => name === "high").length;
    const low = seen.length - high;
    assert.ok(low >= 10, `low is not starved: ${low} of ${seen.length}`);
    assert.ok(high >= 2 * low, `high comes first: ${high} to ${low}`);
    await ended(jobs);
  });
}
