import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import { JobFailedError } from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const FILES: Record<string, string> = {
  "deno.json": "{}",
  "good.ts": "export const add = (a: number, b: number) => a + b;",
  "syntax.ts": "export const f = (;",
  "throws.ts": "throw new Error('not today'); export const f = 1;",
  "members.ts": `
    export class Calculator { sum() {} }
    export const text = "text";
    export const f = () => {};`,
  "node_modules/x/mod.ts": "export const f = () => {};",
};

/** What is called, and the words that its error must have. */
const BAD: readonly (readonly [string, RegExp])[] = [
  ["./nobody.ts#f", /nobody\.ts/],
  ["./syntax.ts#f", /syntax\.ts/],
  ["./throws.ts#f", /not today/],
  ["./members.ts#nothing", /nothing.*Calculator, f, text|Calculator.*f.*text/],
  ["./members.ts#text", /text.*not a function|function/],
  ["./members.ts#Calculator", /Calculator/],
  ["./members.ts#Calculator.sum", /static/],
  ["./members.ts#toString", /toString/],
  ["./members.ts", /default/],
  ["add", /mqk run/],
  ["../outside.ts#f", /root/],
  ["./link.ts#f", /root/],
  ["./%2e%2e/outside.ts#f", /root/],
  ["file:///etc/passwd#f", /root/],
  ["./node_modules/x/mod.ts#f", /node_modules/],
  ["data:text/javascript,export%20const%20f=1#f", /data:/],
  ["http://example.com/x.ts#f", /http:\/\/example\.com/],
  ["https://example.com/x.ts#f", /--allow-import/],
  ["https://user:s3cret@example.com/x.ts#f", /user/],
  ["mqk:nothing#f", /mqk:nothing/],
];

Deno.test("each job that can't be run fails with its own reason, and its neighbours run", async () => {
  await using redis = await RedisServer.start();
  await using outer = new TempDir();
  outer.write("outside.ts", "export const f = () => {};");
  for (const [name, text] of Object.entries(FILES)) {
    outer.write(`root/${name}`, text);
  }
  const root = `${outer.path}/root`;
  Deno.symlinkSync(`${outer.path}/outside.ts`, `${root}/link.ts`);
  await using mqk = await MqkProcess.in(
    root,
    ...["-s", redis.dsn, "-w", "2", "--root", root],
  );
  await eventually(() => assert.equal(mqk.workerPids.length, 2));
  await using client = connect(redis.dsn);
  for (const [job, reason] of BAD) {
    const bad = await client.invoke({ job, retries: 0 });
    const good = await client.invoke("./good.ts#add", 1, 2);
    assert.equal(await good.result({ timeout: 10 }), 3, job);
    await assert.rejects(bad.result({ timeout: 10 }), (error) => {
      assert.ok(error instanceof JobFailedError, `${job}: ${error}`);
      assert.match((error.cause as Error).message, reason, job);
      assert.doesNotMatch(String(error.message), /s3cret/);
      return true;
    });
  }
  await eventually(() => assert.equal(mqk.workerPids.length, 2));
});

Deno.test("messages that nobody can read go to the failed set, the next job runs at once", async () => {
  await using redis = await RedisServer.start();
  await using dir = new TempDir();
  dir.write("deno.json", "{}");
  await using mqk = await MqkProcess.in(
    dir.path,
    ...["-s", redis.dsn, "-w", "1"],
  );
  await using client = connect(redis.dsn);
  const ready = "mqk:{default}:ready";
  const sum = `"job":"mqk:calculator#sum"`;
  const bad = [
    "not json",
    "{}",
    "[]",
    `{"v":1,"args":[]}`,
    `{"v":1,"job":7,"args":[]}`,
    `{"v":1,${sum},"args":{}}`,
    `{"v":1,${sum},"args":[],"ttl":"long"}`,
    `{"v":1,${sum},"args":[],"retries":-1}`,
    `{"v":1,${sum},"args":[],"attempt":0}`,
    `{"v":1,${sum},"args":[],"id":7}`,
    `{"v":"one",${sum},"args":[]}`,
  ];
  await redis.call("RPUSH", ready, ...bad);
  const good = await client.invoke("mqk:calculator#sum", 1, 2);
  assert.equal(await good.result({ timeout: 10 }), 3);
  await eventually(async () =>
    assert.equal(
      Number(await redis.call("ZCARD", "mqk:{default}:failed")),
      bad.length,
    )
  );
  // A later program's message waits for a worker that knows it, unchanged.
  const later = `{"v":99,${sum},"args":[]}`;
  await redis.call("RPUSH", ready, later);
  await eventually(async () =>
    assert.deepEqual(
      await redis.call("ZRANGE", "mqk:{default}:retry", 0, -1),
      [later],
    )
  );
  await eventually(() =>
    assert.ok(mqk.stderr.some((line) => /version/.test(line)))
  );
});

Deno.test("a key of a wrong type is one clear line and exit code 1", async () => {
  await using redis = await RedisServer.start();
  await redis.call("SET", "mqk:{default}:ready", "foreign");
  await using mqk = MqkProcess.start(["-s", redis.dsn, "-w", "1"]);
  assert.equal(await mqk.exitCode(), 1);
  assert.ok(
    mqk.stderr.some((line) => /mqk:\{default\}:ready.*list.*string/.test(line)),
    mqk.stderr.join("\n"),
  );
});
