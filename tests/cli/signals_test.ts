import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** A job that writes when it starts and ends, and runs until its signal aborts. */
const JOBS = `
  import { currentJob } from "@mqk/core";
  const say = (text: string) =>
    Deno.writeTextFileSync("log.txt", text + "\\n", { append: true });
  export async function work(seconds: number) {
    say("start " + currentJob().attempt);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    say("end");
  }
  export async function patient() {
    const { attempt, signal } = currentJob();
    say("start " + attempt);
    await new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason)));
  }
  export const pid = () => Deno.pid;
`;

/** A project, a server and a running \`mqk run\` on both. */
class Site implements AsyncDisposable {
  readonly #resources: AsyncDisposableStack;
  private constructor(
    readonly dir: TempDir,
    readonly redis: RedisServer,
    readonly mqk: MqkProcess,
    resources: AsyncDisposableStack,
  ) {
    this.#resources = resources;
  }

  static async start(...args: string[]): Promise<Site> {
    await using resources = new AsyncDisposableStack();
    const dir = resources.use(new TempDir());
    const core = import.meta.resolve("../../mod.ts");
    dir.write("deno.json", JSON.stringify({ imports: { "@mqk/core": core } }));
    dir.write("jobs.ts", JOBS);
    const redis = resources.use(await RedisServer.start());
    const mqk = resources.use(
      await MqkProcess.in(dir.path, "-s", redis.dsn, "-w", "1", ...args),
    );
    return new Site(dir, redis, mqk, resources.move());
  }

  /** What the jobs have written so far. */
  log(): string[] {
    try {
      return Deno.readTextFileSync(`${this.dir.path}/log.txt`).trim()
        .split("\n");
    } catch {
      return [];
    }
  }

  async invoke(job: string, ...args: unknown[]): Promise<void> {
    await using client = connect(this.redis.dsn);
    await client.invoke({ job: `./jobs.ts#${job}`, retries: 0 }, ...args);
  }

  async started(): Promise<void> {
    await eventually(() => assert.equal(this.log().length, 1));
  }

  async ready(): Promise<unknown[]> {
    return await this.redis.call(
      "LRANGE",
      "mqk:{default}:ready",
      0,
      -1,
    ) as unknown[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`after ${signal} what runs ends, what waits stays, and the exit code is 0`, async () => {
    await using site = await Site.start("--concurrency", "1");
    await site.invoke("work", 1);
    await site.started();
    await site.invoke("work", 1);
    site.mqk.signal(signal);
    assert.equal(await site.mqk.exitCode(), 0);
    assert.deepEqual(site.log(), ["start 1", "end"]);
    assert.equal((await site.ready()).length, 1);
  });
}

Deno.test("a second SIGINT, and QUIT, end at once and hand back what runs with its attempt", async () => {
  await using site = await Site.start();
  await site.invoke("work", 60);
  await site.started();
  const startedAt = performance.now();
  // Two that come at the same moment are one.
  const timer = setInterval(() => site.mqk.signal("SIGINT"), 200);
  assert.equal(await site.mqk.exitCode(), 0);
  clearInterval(timer);
  assert.ok(performance.now() - startedAt < 6_000);
  const [message] = await site.ready();
  assert.equal(JSON.parse(String(message)).attempt, undefined);
  assert.equal(await site.redis.call("ZCARD", "mqk:{default}:failed"), 0);
});

Deno.test("at the shutdown timeout signals abort, and a job that ends on it keeps its attempt", async () => {
  await using site = await Site.start("--shutdown-timeout", "5.2");
  await site.invoke("patient");
  await site.started();
  site.mqk.signal("SIGTERM");
  assert.equal(await site.mqk.exitCode(), 0);
  const [message] = await site.ready();
  assert.equal(JSON.parse(String(message)).attempt, undefined);
});

Deno.test("TTIN and TTOU add and remove a worker, HUP replaces it with fresh code", async () => {
  await using site = await Site.start();
  const count = (n: number) =>
    eventually(() => assert.equal(site.mqk.workerPids.length, n), 20_000);
  const [before] = site.mqk.workerPids;
  site.mqk.signal("SIGTTIN");
  await count(2);
  site.mqk.signal("SIGTTOU");
  await count(1);
  site.mqk.signal("SIGHUP");
  await eventually(() => {
    const pids = site.mqk.workerPids;
    assert.ok(pids.length === 1 && pids[0] !== before);
  }, 20_000);
  await using client = connect(site.redis.dsn);
  const job = await client.invoke("./jobs.ts#pid");
  assert.deepEqual([await job.result()], site.mqk.workerPids);
});

Deno.test("--watch replaces the workers when a file changes", async () => {
  await using site = await Site.start("--watch");
  await using client = connect(site.redis.dsn);
  site.dir.write("fresh.ts", "export const version = () => 1;");
  const version = async () =>
    await (await client.invoke("./fresh.ts#version")).result({ timeout: 5 });
  await eventually(async () => assert.equal(await version(), 1), 20_000);
  site.dir.write("fresh.ts", "export const version = () => 2;");
  await eventually(async () => assert.equal(await version(), 2), 20_000);
});

Deno.test("the pid file names the master as long as it runs, and guards against a second one", async () => {
  await using site = await Site.start("--pid", "mqk.pid");
  const path = `${site.dir.path}/mqk.pid`;
  assert.equal(await Deno.readTextFile(path), `${site.mqk.pid}\n`);
  await using second = MqkProcess.start(["--pid", path], site.dir.path);
  assert.equal(await second.exitCode(), 1);
  assert.match(second.stderr[0], /mqk\.pid.*names process/);
  site.mqk.signal("SIGTERM");
  assert.equal(await site.mqk.exitCode(), 0);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("workers end by themselves when their master is killed", async () => {
  await using site = await Site.start("--shutdown-timeout", "1");
  const [worker] = site.mqk.workerPids;
  site.mqk.signal("SIGKILL");
  await site.mqk.status;
  await eventually(() =>
    assert.throws(() => Deno.kill(worker, "SIGCONT"), Deno.errors.NotFound)
  );
});
