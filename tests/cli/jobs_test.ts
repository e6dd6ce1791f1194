import assert from "node:assert/strict";
import { Site } from "../guarantees/site.ts";
import { eventually } from "../harness/eventually.ts";
import { mqk, type MqkEnd } from "../harness/mqk_process.ts";

const JOBS = `
export async function wait(ms: number) { ran(); await sleep(ms); return { ms }; }
export function no(n: number) { ran(); throw new TypeError("not today, " + n); }
export function never() { ran(); throw new RangeError("never"); }
`;

/** Runs commands on the store of a site. */
function commands(site: Site): (line: string) => Promise<MqkEnd> {
  return (line) => mqk([...line.split(" "), "-s", site.dsn]);
}

/** The objects that a command printed. */
function objects({ stdout }: MqkEnd): Record<string, unknown>[] {
  return stdout.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

function failure(line: string): MqkEnd {
  return { code: 1, stdout: "", stderr: `mqk: ${line}\n` };
}

for (const broker of ["redis", "sqlite"] as const) {
  Deno.test(`one job is shown wherever it is, with its attempts (${broker})`, async () => {
    await using site = await Site.open(broker, JOBS);
    const run = commands(site);
    const shown = async (handle: string) =>
      objects(await run(`job ${handle} --json`))[0];
    const [waiting, later, failing, long] = await site.client.invokeMany([
      { job: "./jobs.ts#wait", queue: "idle", args: [1] },
      { job: "./jobs.ts#wait", delay: 600, args: [2] },
      {
        job: "./jobs.ts#no",
        retries: 1,
        backoff: { fixed: 600 },
        args: [3],
      },
      { job: "./jobs.ts#wait", args: [600_000] },
    ]);
    await using _run = await site.run("-w", "1");
    const done = await site.client.invoke({ job: "./jobs.ts#wait" }, 4);
    assert.deepEqual(await done.result(), { ms: 4 });

    const { args, state, attempt } = await shown(waiting.handle);
    assert.deepEqual([args, state, attempt], [[1], "ready", 1]);
    assert.equal((await shown(later.id)).state, "scheduled");
    const held = await shown(long.handle);
    assert.equal(held.state, "held");
    const [worker] = objects(await run("workers --json"));
    assert.equal(held.worker, worker.name);
    assert.deepEqual(await shown(done.handle), {
      id: done.id,
      queue: "default",
      state: "done",
      result: { ms: 4 },
    });

    const once = await eventually(async () => {
      const job = await shown(failing.handle);
      assert.equal(job.state, "retry");
      return job;
    });
    const [first, ...others] = once.history as Record<string, unknown>[];
    assert.deepEqual(others, []);
    assert.deepEqual(
      [first.attempt, first.worker, first.error],
      [1, worker.name, "TypeError: not today, 3"],
    );
    const [start, end] = [first.start, first.end].map((time) =>
      Date.parse(time as string)
    );
    assert.ok(
      Date.now() - start < 60_000 && end >= start && end - start < 5000,
    );

    // Now, not in ten minutes.
    assert.deepEqual(await run(`retry ${failing.handle}`), {
      code: 0,
      stdout: `${failing.id}\n`,
      stderr: "",
    });
    await eventually(async () =>
      assert.equal((await shown(failing.id)).state, "failed")
    );
    const { stdout } = await run(`job ${failing.id}`);
    for (
      const line of [
        `id        ${failing.id}`,
        "state     failed",
        "job       ./jobs.ts#no",
        "arguments [3]",
        "attempt   2 of 2",
        "error     TypeError: not today, 3",
      ]
    ) assert.ok(stdout.split("\n").includes(line), `${line}: ${stdout}`);
    assert.match(stdout, /\njobs\.ts|at no \(.*jobs\.ts:/);
    const attempts = stdout.split("\n\n").at(-1)!.trim().split("\n");
    assert.match(attempts[0], /^ATTEMPT WORKER START END RAN REASON$/);
    assert.match(attempts[1], /^1 \S+ .* TypeError: not today, 3$/);
    assert.match(attempts[2], /^2 \S+ .* TypeError: not today, 3$/);
    assert.equal(attempts.length, 3);

    assert.deepEqual(
      await run("job nobody.1"),
      failure("Cannot find job nobody.1: it is unknown, or over and not kept"),
    );
    assert.deepEqual(
      await run(`delete ${long.id}`),
      failure(
        `Cannot delete job ${long.id}: worker ${worker.name} has it; ` +
          "cancel it instead",
      ),
    );
    assert.deepEqual(
      await run(`retry ${waiting.id}`),
      failure(
        `Cannot retry job ${waiting.id}: it waits for a worker already`,
      ),
    );
  });

  Deno.test(`jobs are listed by filters, failed ones grouped by error (${broker})`, async () => {
    await using site = await Site.open(broker, JOBS);
    const run = commands(site);
    assert.deepEqual(await run("jobs"), {
      code: 0,
      stdout: "",
      stderr: "mqk: No queue has a job\n",
    });
    await site.client.invokeMany([
      ...[1, 2, 3].map((n) => ({
        job: "./jobs.ts#no",
        retries: 0,
        args: [n],
      })),
      { job: "./jobs.ts#never", retries: 0 },
    ]);
    assert.equal(
      (await mqk(
        ["run", "-bq", "-w", "1", "-s", site.dsn],
        { cwd: site.dir.path },
      )).code,
      1,
    );
    await site.client.invokeMany([
      { job: "./jobs.ts#wait", args: [1] },
      { job: "./jobs.ts#wait", args: [2], queue: "other" },
      { job: "./jobs.ts#wait", args: [3], delay: 600 },
    ]);

    const all = (await run("jobs")).stdout.trim().split("\n");
    assert.match(all[0], /^ID QUEUE STATE ATTEMPT SENT JOB NOTE$/);
    assert.deepEqual(
      all.slice(1, 4).map((line) => line.split(" ").slice(1, 3)),
      [["default", "scheduled"], ["default", "ready"], ["other", "ready"]],
    );
    assert.equal(all[4], "");
    assert.match(
      all[6],
      /^3 default \.\/jobs\.ts#no .* TypeError: not today, \d$/,
    );
    assert.match(all[7], /^1 default \.\/jobs\.ts#never .* RangeError: never$/);
    assert.equal(all.length, 8);

    const count = async (filter: string) =>
      objects(await run(`jobs --json ${filter}`)).length;
    const gone = await site.client
      .invoke({ job: "./jobs.ts#wait", delay: 600 }, 4);
    assert.equal(await count("--state scheduled"), 2);
    await gone.cancel();
    assert.equal(await count("--state scheduled"), 1);
    assert.deepEqual(
      await run(`retry ${gone.id}`),
      failure(`No job has the id ${gone.id}`),
    );
    assert.equal(await count("--limit 100"), 7);
    assert.equal(await count("--limit 2"), 2);
    assert.equal(await count("--queue other"), 1);
    assert.equal(await count("--state ready --state scheduled"), 3);
    assert.equal(await count("--job jobs.ts#no"), 3);
    assert.equal(await count("--job ./jobs.ts"), 7);
    assert.equal(await count("--job ./other.ts"), 0);
    assert.equal(await count("--error RANGEERROR"), 1);
    assert.equal(await count("--error today --state ready"), 0);
    assert.equal(await count("--since 10m"), 7);
    assert.equal(await count("--since 2999-01-01"), 0);
    assert.deepEqual(
      await run("jobs --job ./other.ts"),
      failure("No job matches"),
    );
    const cut = await run("jobs --error today --limit 2");
    assert.equal(cut.stdout.trim().split("\n").length, 3);
    assert.equal(cut.stderr, "mqk: Listed 2 of 3 jobs: --limit lists more\n");
    const [job] = objects(await run("jobs --error never --json"));
    assert.match((job.error as { stack: string }).stack, /jobs\.ts/);
  });

  Deno.test(`retry and delete by filter say how many, and act with --yes (${broker})`, async () => {
    await using site = await Site.open(broker, JOBS);
    const run = commands(site);
    await site.client.invokeMany([
      ...Array.from({ length: 60 }, (_, n) => ({
        job: "./jobs.ts#no",
        retries: 0,
        args: [n],
      })),
      { job: "./jobs.ts#never", retries: 0 },
    ]);
    const burst = () =>
      mqk(["run", "-bq", "-w", "1", "-s", site.dsn], { cwd: site.dir.path });
    await burst();
    const states = async () =>
      objects(await run("jobs --json")).reduce<Record<string, number>>(
        (sums, { state }) => {
          sums[state as string] = (sums[state as string] ?? 0) + 1;
          return sums;
        },
        {},
      );

    assert.deepEqual(
      await run("retry --error today"),
      failure("60 jobs would be retried (60 failed); say --yes to do it"),
    );
    assert.deepEqual(await states(), { failed: 61 });
    assert.deepEqual(await run("retry --error today --yes"), {
      code: 0,
      stdout: "60 jobs retried\n",
      stderr: "",
    });
    assert.deepEqual(await states(), { ready: 60, failed: 1 });
    assert.deepEqual(
      await run("retry --error today --yes"),
      failure("No job matches"),
    );
    // What ran before is not forgotten.
    const [again] = objects(await run("jobs --json --state ready"));
    assert.equal((again.history as unknown[]).length, 1);

    const waits = await site.client
      .invoke({ job: "./jobs.ts#wait", delay: 600 }, 1);
    assert.deepEqual(
      await run("delete --queue default"),
      failure(
        "62 jobs would be deleted (1 scheduled, 60 ready, 1 failed); " +
          "say --yes to do it",
      ),
    );
    assert.equal(
      (await run("delete --job ./jobs.ts#no --yes")).stdout,
      "60 jobs deleted\n",
    );
    assert.deepEqual(await states(), { scheduled: 1, failed: 1 });
    const [failed] = objects(await run("jobs --json --state failed"));
    const deleted = await run(`delete ${failed.id} nobody.7`);
    assert.deepEqual(deleted, {
      code: 1,
      stdout: `${failed.id}\n`,
      stderr: "mqk: No job has the id nobody.7\n",
    });
    assert.deepEqual(
      objects(await run("delete --state scheduled --yes --json")).length,
      1,
    );
    assert.deepEqual(await states(), {});
    assert.equal(await waits.status(), "cancelled");
    assert.equal((await burst()).code, 0);
    assert.equal(site.lines().length, 61);
  });
}
