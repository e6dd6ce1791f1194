import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import { mqk, MqkProcess } from "../harness/mqk_process.ts";
import { eventually } from "../harness/eventually.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const QUEUES = Array.from({ length: 200 }, (_, i) => `q${i}`);
const SERVED = QUEUES.flatMap((queue) => ["--queue", queue]);

function number(pattern: RegExp, text: string): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}

Deno.test("of many queues those that are empty are not asked again and again", async () => {
  await using redis = await RedisServer.start();
  await using client = connect(redis.dsn);
  await client.invokeMany(
    QUEUES.flatMap((queue) =>
      Array.from({ length: 100 }, () => ({
        job: "mqk:calculator#sum",
        args: [1, 2],
        queue,
      }))
    ),
  );
  const scripts = async () =>
    number(
      /cmdstat_evalsha:calls=(\d+)/,
      String(await redis.call("INFO", "commandstats")),
    );
  const before = await scripts();
  const { code } = await mqk(
    ["run", "-bq", "-w", "1", "-s", redis.dsn, ...SERVED],
  );
  assert.equal(code, 0);
  // Each queue needs a reserve, a settle and a reap at the least.
  const calls = await scripts() - before;
  assert.ok(calls < 8 * QUEUES.length, `${calls} scripts`);
});

for (const kind of ["redis", "sqlite"] as const) {
  Deno.test(`of many queues an earlier one comes first, also when it gets jobs late (${kind})`, async () => {
    await using redis = kind === "redis" ? await RedisServer.start() : null;
    await using dir = new TempDir();
    dir.write(
      "jobs.ts",
      `export async function note(text: string) {
        const log = new URL("log.txt", import.meta.url);
        Deno.writeTextFileSync(log, text, { append: true });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }`,
    );
    const dsn = redis?.dsn ?? `sqlite:${dir.path}/queue.sqlite`;
    await using client = connect(dsn);
    const send = (queue: string, text: string, count: number) =>
      client.invokeMany(Array.from({ length: count }, () => ({
        job: "./jobs.ts#note",
        args: [text],
        queue,
      })));
    await send("q150", "l", 400);
    await using _run = await MqkProcess.run(
      dsn,
      ...["--root", dir.path, "-w", "1", "--concurrency", "2", ...SERVED],
    );
    const log = () => Deno.readTextFileSync(`${dir.path}/log.txt`);
    await eventually(() => assert.ok(log().length > 20), 20_000);
    await send("q3", "e", 10);
    await eventually(() => assert.equal(log().length, 410), 30_000);
    const last = log().lastIndexOf("e");
    assert.ok(last < 350, `the last of the earlier queue was number ${last}`);
  });
}
