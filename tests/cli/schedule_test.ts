import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { mqk, MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const SUM = "mqk:calculator#sum";
const TIME = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`;

/** Runs a command on a store; it must succeed. Answers with its output. */
async function run(dsn: string, ...args: string[]): Promise<string> {
  const [verb, ...rest] = args;
  const { code, stdout, stderr } = await mqk([
    "schedule",
    verb,
    "-s",
    dsn,
    ...rest,
  ]);
  assert.equal(code, 0, stderr);
  return stdout;
}

Deno.test("a schedule is added, listed, paused, resumed, run and deleted", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${folder.path}/queue.sqlite`;
  assert.equal(await run(dsn, "list"), "");
  const nightly = ["--cron", "0 3 * * *", "--time-zone", "Europe/Berlin"];
  await run(dsn, "add", "nightly", ...nightly, SUM, "1", "2");
  await run(dsn, "add", "poll", "--every=300", "--queue=high", SUM);
  const rows = [
    "NAME QUEUE NEXT DUE JOB",
    `nightly default ${TIME} 0 3 \\* \\* \\* Europe/Berlin ${SUM}`,
    `poll high ${TIME} every 300 s ${SUM}`,
  ];
  assert.match(await run(dsn, "list"), new RegExp(`^${rows.join("\n")}\n$`));

  assert.equal(await run(dsn, "pause", "poll"), "poll\n");
  assert.match(
    await run(dsn, "list", "--queue=high"),
    /\npoll high paused/,
  );
  assert.equal(await run(dsn, "resume", "poll"), "poll\n");
  const [, poll] = (await run(dsn, "list", "--json")).trim().split("\n");
  const { nextAt, ...fields } = JSON.parse(poll);
  assert.equal(new Date(nextAt).getTime() % 300_000, 0);
  assert.deepEqual(fields, {
    name: "poll",
    queue: "high",
    paused: false,
    every: 300,
    missed: "last",
    job: SUM,
    args: [],
    ttl: 60,
    retries: 3,
    backoff: "exponential",
    result: true,
  });

  const handle = await run(dsn, "run", "nightly");
  const burst = await mqk(["run", "-s", dsn, "--burst", "-w", "1"]);
  assert.match(burst.stderr, /result is 3/);
  assert.match(handle, /^default\/\S+\n$/);
  assert.equal(await run(dsn, "delete", "nightly"), "nightly\n");
  assert.match(await run(dsn, "list"), /^NAME [^\n]*\npoll [^\n]*\n$/);
});

Deno.test("what a worker sends is done, and its id is name and due time", async () => {
  await using redis = await RedisServer.start();
  await run(redis.dsn, "add", "tick", "--every", "1", SUM, "20", "3");
  await using worker = await MqkProcess.run(redis.dsn, "-w", "1", "-vv");
  await eventually(() => {
    const log = worker.stderr.join("\n");
    assert.match(log, /result is 23/);
  }, 20_000);
  await eventually(async () => {
    const keys = await redis.call("KEYS", "mqk:{default}:results:tick.*");
    assert.ok((keys as string[]).length > 1);
  });
});

Deno.test("of one name in two queues the queue must be given", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${folder.path}/queue.sqlite`;
  for (const queue of ["a", "b"]) {
    await run(dsn, "add", "x", "--every=60", `--queue=${queue}`, SUM);
  }
  const { code, stderr } = await mqk(["schedule", "pause", "x", "-s", dsn]);
  assert.equal(code, 2);
  assert.match(stderr, /^mqk: .*queues a, b; give --queue\n$/);
  assert.equal(await run(dsn, "pause", "x", "--queue=b"), "x\n");
});

Deno.test("a mistake is one line", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${folder.path}/queue.sqlite`;
  const every = ["--every", "5"];
  for (
    const [args, exitCode, message] of [
      [["add", "x", "--cron", "61 * * * *", SUM], 2, /cron "61 \* \* \* \*"/],
      [["add", "x", "--cron", "0 0 30 2 *", SUM], 2, /no such time ever/],
      [
        ["add", "x", "--cron", "@daily", "--time-zone", "Mars/X", SUM],
        2,
        /time zone "Mars\/X"/,
      ],
      [["add", "a.b", ...every, SUM], 2, /schedule name "a\.b"/],
      [["add", "x", SUM], 2, /either cron or every/],
      [["add", "x", "--cron", "@daily", ...every, SUM], 2, /either cron/],
      [["add", "x", "--every", "0.5", SUM], 2, /whole number/],
      [["add", "x", ...every, "--missed", "some", SUM], 2, /missed "some"/],
      [["add", "x", ...every], 2, /missing required argument/],
      [["add", "x", ...every, "a#b.c.d"], 2, /two levels/],
      [["pause", "a.b"], 2, /schedule name/],
      [["run", "nope"], 1, /No schedule has the name nope/],
      [["pause", "nope"], 1, /No schedule has the name nope/],
      [["resume", "nope"], 1, /No schedule has the name nope/],
      [["delete", "nope", "--queue=q"], 1, /No schedule of queue q has/],
    ] as const
  ) {
    const { code, stdout, stderr } = await mqk([
      "schedule",
      ...args,
      "-s",
      dsn,
    ]);
    assert.match(stderr, message);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    assert.equal(code, exitCode, stderr);
    assert.equal(stdout, "");
  }
});
