import assert from "node:assert/strict";
import type { MqkProcess } from "../harness/mqk_process.ts";
import { eventually } from "../harness/eventually.ts";
import { type BrokerKind, Site } from "./site.ts";

const JOBS = `
import { VERSION } from "./version.ts";
export async function work() { ran(); await sleep(20); return VERSION; }
`;
const GREET = `
import { ran } from "./jobs.ts";
export function greet() { ran(); return "hello"; }
`;
const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];

function version(site: Site, text: string): void {
  site.dir.write("version.ts", `export const VERSION = "${text}";`);
}

async function firstAttemptFails(mqk: MqkProcess, id: string): Promise<void> {
  await eventually(() =>
    assert.ok(
      mqk.stderr.some((line) => line.includes(`The job ${id} failed`)),
      mqk.stderr.join("\n"),
    )
  );
}

async function workersAreReplaced(mqk: MqkProcess): Promise<void> {
  await eventually(() =>
    assert.ok(
      mqk.stderr.some((line) =>
        /is replaced: module .* did not load/.test(line)
      ),
      mqk.stderr.join("\n"),
    ), 30_000);
}

for (const kind of BOTH) {
  Deno.test(`a job that needs a module which is deployed later is done by a retry (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    version(site, "old");
    const mqk = await site.run("-w", "2");
    const job = await site.client.invoke("./greet.ts#greet");
    await firstAttemptFails(mqk, job.id);
    site.dir.write("greet.ts", GREET);
    const startedAt = performance.now();
    assert.equal(await job.result({ timeout: 60 }), "hello");
    const tookMs = Math.round(performance.now() - startedAt);
    console.log(`done ${tookMs} ms after the module was there`);
    const [{ attempt }, ...more] = site.lines();
    assert.ok(attempt > 1);
    assert.deepEqual(more, []);
  });

  Deno.test(`a module that is mended on disk after a failed import is loaded by a replaced worker (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    version(site, "old");
    site.dir.write("greet.ts", `throw new Error("not yet");`);
    const mqk = await site.run("-w", "2");
    const before = mqk.workerPids;
    const spec = { job: "./greet.ts#greet", retries: 5, backoff: { fixed: 3 } };
    const job = await site.client.invoke(spec);
    await firstAttemptFails(mqk, job.id);
    site.dir.write("greet.ts", GREET);
    assert.equal(await job.result({ timeout: 60 }), "hello");
    await workersAreReplaced(mqk);
    await eventually(() => {
      const now = mqk.workerPids;
      assert.equal(now.length, 2);
      assert.ok(now.some((pid) => !before.includes(pid)));
    }, 30_000);
    assert.equal(site.lines().length, 1);
  });

  Deno.test(`HUP under load brings the new code, and no job is lost or repeated (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    version(site, "old");
    const mqk = await site.run("-w", "2");
    await eventually(() => assert.equal(mqk.workerPids.length, 2));
    const before = mqk.workerPids;
    const load = async (length: number) =>
      await site.client.invokeMany(
        Array.from({ length }, () => ({ job: "./jobs.ts#work", retries: 0 })),
      );
    const jobs = await load(1_000);
    await eventually(() => assert.ok(site.lines().length >= 200));
    version(site, "new");
    mqk.signal("SIGHUP");
    // As long as an old worker is left, there is work for all.
    await eventually(async () => {
      jobs.push(...await load(200));
      const now = mqk.workerPids;
      assert.equal(now.length, 2);
      assert.ok(now.every((pid) => !before.includes(pid)));
      return true;
    }, 60_000);
    const last = await site.client.invoke("./jobs.ts#work");
    assert.equal(await last.result({ timeout: 60 }), "new");
    const versions = await Promise.all(
      jobs.map((job) => job.result({ timeout: 60 })),
    );
    assert.equal(versions[0], "old");
    assert.equal(versions.at(-1), "new");
    assert.equal(site.repeats([...jobs, last].map(({ id }) => id)), 0);
    assert.ok(site.lines().every(({ attempt }) => attempt === 1));
    assert.ok(!mqk.stderr.some((line) => / died /.test(line)));
  });
}
