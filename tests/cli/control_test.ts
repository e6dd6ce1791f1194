import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import { eventually } from "../harness/eventually.ts";
import { mqk, type MqkEnd, MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const SUM = "mqk:calculator#sum";

/** Runs commands on one store. */
type Run = (command: string, ...args: string[]) => Promise<MqkEnd>;

/** The same test over each broker. */
function onBoth(
  sentence: string,
  test: (run: Run, dsn: string) => Promise<void>,
): void {
  const on = (dsn: string): Run => (command, ...args) =>
    mqk([command, "-s", dsn, ...args]);
  Deno.test(`Redis: ${sentence}`, async () => {
    await using redis = await RedisServer.start();
    await test(on(redis.dsn), redis.dsn);
  });
  Deno.test(`SQLite: ${sentence}`, async () => {
    await using folder = new TempDir();
    const dsn = `sqlite:${folder.path}/queue.sqlite`;
    await test(on(dsn), dsn);
  });
}

/** It succeeded, in silence but for this. */
function says({ code, stdout, stderr }: MqkEnd, expected: string): void {
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  assert.equal(stdout, expected);
}

onBoth(
  "queues are paused and resumed by command, several at once",
  async (run, dsn) => {
    await using client = connect(dsn);
    const jobs = await client.invokeMany(
      ["a", "b"].map((queue) => ({ job: SUM, args: [1, 2], queue })),
    );
    says(await run("pause", "a", "b"), "");
    const burst = await run("run", "--burst", "-w1", "--queue=a", "--queue=b");
    assert.equal(burst.code, 0, burst.stderr);
    assert.match(burst.stderr, /Queue a is paused/);
    assert.match(burst.stderr, /Queue b is paused/);
    says(await run("resume", "a"), "");
    await run("run", "--burst", "-w1", "--queue=a", "--queue=b");
    const statuses = await Promise.all(jobs.map((job) => job.status()));
    assert.deepEqual(statuses, ["done", "pending"]);
    assert.equal((await client.queue("b").status()).paused, true);
  },
);

onBoth(
  "mqk limit changes what is named, keeps the rest, and prints it",
  async (run) => {
    const limit = (...args: string[]) => run("limit", "mail", ...args);
    const isNow = async (limits: unknown) =>
      says(await limit(), JSON.stringify(limits) + "\n");
    await isNow({});
    says(await limit("--concurrency", "5"), "");
    says(await limit("--rate", "100/60"), "");
    const own = { concurrency: 5, rate: { jobs: 100, per: 60 } };
    await isNow(own);
    says(await limit("--each-group", "--concurrency=1"), "");
    says(await limit("--group", "t-7", "--concurrency=4", "--rate=1/0.5"), "");
    says(await limit("--group", "t-7", "--concurrency=3"), "");
    const group = { concurrency: 1 };
    const special = { concurrency: 3, rate: { jobs: 1, per: 0.5 } };
    await isNow({ ...own, group, groups: { "t-7": special } });
    says(await limit("--rate", "none"), "");
    says(await limit("--group", "t-7", "--none"), "");
    await isNow({ concurrency: 5, group });
    says(await limit("--each-group", "--concurrency=none"), "");
    await isNow({ concurrency: 5 });
    says(await limit("--none"), "");
    await isNow({});
  },
);

onBoth(
  "mqk cancel cancels jobs by their handles, and says which had ended",
  async (run) => {
    const send = async (...args: string[]) =>
      (await run("invoke", SUM, "1", "2", ...args)).stdout.trim();
    const done = await send();
    await run("run", "--burst", "-w1");
    const [one, two] = [await send("--delay=60"), await send("--delay=60")];
    const id = (handle: string) => handle.split("/")[1];
    says(await run("cancel", one), id(one) + "\n");
    const { code, stdout, stderr } = await run("cancel", one, done, two);
    assert.equal(code, 1);
    assert.equal(stdout, id(two) + "\n");
    assert.deepEqual(stderr.trim().split("\n"), [
      `mqk: Cannot cancel job ${id(one)}: it has ended`,
      `mqk: Cannot cancel job ${id(done)}: it has ended`,
    ]);
  },
);

onBoth(
  "a job of a replay that would be beside another one with its key stays where it is",
  async (run, dsn) => {
    await using client = connect(dsn);
    const spec = { job: "./no_such.ts#job", retries: 0, unique: { key: "k" } };
    const failed = await client.invoke(spec);
    await run("run", "--burst", "-w1");
    const other = await client.invoke({ ...spec, delay: 60 });
    const retry = () => mqk(["failed", "retry", "-s", dsn, failed.id]);
    const { code, stderr } = await retry();
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `mqk: Cannot retry job ${failed.id}: another job has its unique key k\n`,
    );
    assert.equal(await failed.status(), "failed");
    await other.cancel();
    says(await retry(), failed.id + "\n");
    assert.equal(await failed.status(), "pending");
  },
);

Deno.test("mqk monitor --json says which queues are paused", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${folder.path}/queue.sqlite`;
  await using client = connect(dsn);
  await client.invoke(SUM, 1, 2);
  await client.queue("default").pause();
  await using monitor = MqkProcess.command(["monitor", "-s", dsn, "--json"]);
  const [line] = await eventually(() => {
    assert.ok(monitor.stdout.length > 0);
    return monitor.stdout;
  }, 20_000);
  const { ready, paused } = JSON.parse(line).queues.default;
  assert.deepEqual({ ready, paused }, { ready: 1, paused: true });
});
