import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { mqk } from "../harness/mqk_process.ts";
import { Site } from "../guarantees/site.ts";

const JOBS = `
export async function wait(ms: number) { ran(); await sleep(ms); return ms; }
export function no() { ran(); throw new TypeError("not today"); }
`;

for (const broker of ["redis", "sqlite"] as const) {
  Deno.test(`queues and workers show what runs, how fast and how long (${broker})`, async () => {
    await using site = await Site.open(broker, JOBS);
    const on = ["-s", site.dsn];
    const queues = async () =>
      (await mqk(["queues", "--interval", "0.3", "--json", ...on])).stdout
        .trim().split("\n").map((line) => JSON.parse(line));

    await site.client.invoke({ job: "./jobs.ts#wait", delay: 600 }, 1);
    await site.client.invoke({ job: "./jobs.ts#wait", queue: "idle" }, 1);
    {
      const [first, idle] = await queues();
      assert.equal(first.scheduled, 1);
      assert.deepEqual(
        [idle.queue, idle.state, idle.ready],
        ["idle", "unserved", 1],
      );
      assert.ok(idle.oldestSeconds > 0 && idle.oldestSeconds < 30);
      assert.equal(idle.p50Ms, undefined);
    }

    await using _run = await site.run("-w", "1", "--concurrency", "4");
    await site.client.invoke({ job: "./jobs.ts#no", retries: 0 });
    await site.client.invokeMany(
      Array(2000).fill({ job: "./jobs.ts#wait", args: [20] }),
    );
    await eventually(async () => {
      const [row] = await queues();
      assert.deepEqual([row.state, row.failed], ["active", 1]);
      assert.ok(row.ready > 0 && row.held > 0, JSON.stringify(row));
      assert.ok(row.outPerSecond > 50 && row.outPerSecond < 250);
      assert.ok(row.inPerSecond < 40, "they came before");
    });
    await eventually(async () => {
      const [{ p50Ms, p99Ms }] = await queues();
      assert.ok(p50Ms >= 17 && p50Ms < 100 && p99Ms >= p50Ms);
    }, 30_000);

    const { stdout } = await mqk(["workers", "--json", ...on]);
    const [worker, ...others] = stdout.trim().split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(others, []);
    assert.deepEqual(worker.queues, ["default"]);
    assert.ok(worker.done > 0 && worker.jobsPerSecond > 20, stdout);
    assert.ok(Math.abs(Date.now() - Date.parse(worker.since)) < 60_000);
    const none = await mqk(["workers", "--queue", "idle", ...on]);
    assert.equal(none.stderr, "mqk: No worker lives that serves idle\n");
  });

  Deno.test(`a worker that has ended is not shown any more (${broker})`, async () => {
    await using site = await Site.open(broker, JOBS);
    const workers = () => mqk(["workers", "-s", site.dsn]);
    {
      await using run = await site.run("-w", "2");
      await eventually(async () =>
        assert.equal((await workers()).stdout.trim().split("\n").length, 3)
      );
      run.signal("SIGTERM");
      await run.status;
    }
    const { code, stdout, stderr } = await workers();
    assert.deepEqual({ code, stdout, stderr }, {
      code: 0,
      stdout: "",
      stderr: "mqk: No worker lives\n",
    });
  });

  Deno.test(`a queue that nobody used is one clear line (${broker})`, async () => {
    await using site = await Site.open(broker, JOBS);
    const queues = (...args: string[]) =>
      mqk(["queues", "--interval", "0.1", "-s", site.dsn, ...args]);
    assert.deepEqual(await queues(), {
      code: 0,
      stdout: "",
      stderr: `mqk: No queue was ever used in ${site.dsn}\n`,
    });
    assert.deepEqual(await queues("--queue", "no"), {
      code: 1,
      stdout: "",
      stderr: "mqk: No queue has the name no\n",
    });
    await site.client.invoke({ job: "./jobs.ts#wait", queue: "yes" }, 1);
    const { code, stdout } = await queues("--queue", "no", "--queue", "yes");
    assert.equal(code, 1);
    assert.match(stdout, /^QUEUE STATE READY .*\nyes unserved 1 0 /);
    assert.equal((await queues("--interval", "x")).code, 2);
  });
}
