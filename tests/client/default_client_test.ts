/**
 * Programs that use the functions at the top level of the library: how they
 * end, and which broker they use.
 *
 * @module
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";
import { onEachBroker, returned, Scene } from "./scene.ts";

onEachBroker(
  "a program that only sends a job ends by itself",
  async (scene) => {
    const { code, stdout, stderr } = await run("invoke.ts", scene);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    const job = scene.client.job(stdout.trim());
    assert.equal(await job.status(), "pending");
    const [{ message }] = await scene.reserve(1);
    assert.equal(message.id, job.id);
  },
);

onEachBroker(
  "a call that is not confirmed keeps the program alive",
  async (scene) => {
    const { code, stderr } = await run("not_awaited.ts", scene);
    assert.equal(code, 0, stderr);
    assert.equal((await scene.broker.counts(["default"]))[0].ready, 2001);
  },
);

onEachBroker("a wait for a result keeps the program alive", async (scene) => {
  const ended = run("invoke.ts", scene, ["wait"]);
  await scene.end(returned(3));
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\n3\n$/);
});

Deno.test("without a DSN jobs are in the file of the project's root", async () => {
  await using root = new TempDir();
  root.write("deno.json", "{}");
  root.write("jobs/index.ts", "");
  const cwd = join(root.path, "jobs");
  const { code, stderr } = await run("invoke.ts", { dsn: "" }, [], cwd);
  assert.equal(code, 0, stderr);
  const file = join(root.path, ".mqk", "queue.sqlite");
  assert.ok(existsSync(file));
  await using scene = await Scene.open(`sqlite:${file}`);
  assert.equal((await scene.reserve(1)).length, 1);
});

Deno.test("inside a job the broker of its worker is used", async () => {
  await using redis = await RedisServer.start();
  const { code, stdout, stderr } = await run("in_job.ts", redis);
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), {
    attempt: 2,
    result: 3,
    dueMs: 300_000,
    args: [[1, 2], [3, 4], [5, 6], [7, 8]],
  });
  assert.deepEqual(await redis.call("KEYS", "*"), []);
});

/** Runs a program with `MQK_DSN` until it ends, at most a minute. */
async function run(
  fixture: string,
  { dsn }: { readonly dsn: string },
  args: readonly string[] = [],
  cwd?: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const path = fileURLToPath(import.meta.resolve(`./fixtures/${fixture}`));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", path, ...args],
    cwd,
    env: { MQK_DSN: dsn, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}
