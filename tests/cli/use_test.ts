/** `mqk run --use`, with real workers. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Client, connect } from "../../mod.ts";
import { eventually } from "../harness/eventually.ts";
import { mqk, MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const JOBS = "export const name = (n: string) => n;";

/** Middleware that writes its mark before a job's result. */
function marking(mark: string): string {
  return `export default async (job, next) =>
    "${mark} " + job.queue + " " + await next();`;
}

function project(files: Record<string, string>): TempDir {
  const dir = new TempDir();
  dir.write("deno.json", "{}");
  for (const [name, text] of Object.entries(files)) dir.write(name, text);
  return dir;
}

async function name(client: Client, text: string): Promise<unknown> {
  const job = { job: "./jobs.ts#name", queue: "high" };
  return await (await client.invoke(job, text)).result();
}

async function aroundJobs(dsn: string): Promise<void> {
  await using dir = project({
    "jobs.ts": JOBS,
    "a.ts": marking("a"),
    "b.ts": marking("b"),
  });
  const options = ["--queue", "high", "-w", "1", "--root", dir.path];
  const use = ["--use", "./a.ts", "--use", "b.ts"];
  await using _workers = await MqkProcess.run(dsn, ...options, ...use);
  await using client = connect(dsn);
  assert.equal(await name(client, "x"), "a high b high x");
}

Deno.test("Redis: --use runs modules around every job, the first outermost", async () => {
  await using redis = await RedisServer.start();
  await aroundJobs(redis.dsn);
});

Deno.test("SQLite: --use runs modules around every job, the first outermost", async () => {
  await using folder = new TempDir();
  await aroundJobs(`sqlite:${join(folder.path, "queue.sqlite")}`);
});

Deno.test("in fast mode and in a sandbox, too", async () => {
  await using dir = project({ "jobs.ts": JOBS, "a.ts": marking("a") });
  const dsn = `sqlite:${join(dir.path, "queue.sqlite")}`;
  const options = ["--queue", "high", "-w", "1", "--root", dir.path];
  const more = ["--fast", "--allow-sys", "--use", "a.ts"];
  await using _workers = await MqkProcess.run(dsn, ...options, ...more);
  await using client = connect(dsn);
  assert.equal(await name(client, "x"), "a high x");
});

Deno.test("a module on a server is used if it is named", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () =>
      new Response(marking("remote"), {
        headers: { "content-type": "application/javascript" },
      }),
  );
  await using dir = project({ "jobs.ts": JOBS });
  const dsn = `sqlite:${join(dir.path, "queue.sqlite")}`;
  const options = ["--queue", "high", "-w", "1", "--root", dir.path];
  const url = `http://127.0.0.1:${server.addr.port}/middleware.js`;
  await using _workers = await MqkProcess.run(dsn, ...options, "--use", url);
  await using client = connect(dsn);
  assert.equal(await name(client, "x"), "remote high x");
});

Deno.test("a module that is not there is wrong usage, one that is no middleware ends the start", async () => {
  await using dir = project({
    "none.ts": "export const log = 1;",
    "broken.ts": "export default (;",
    "throws.ts": "throw new Error('no settings');",
  });
  const { path: cwd } = dir;
  const run = (module: string) => mqk(["run", "--use", module], { cwd });
  const [missing, none, broken, throws] = await Promise.all(
    ["gone.ts", "none.ts", "broken.ts", "throws.ts"].map(run),
  );
  assert.equal(missing.code, 2);
  assert.match(
    missing.stderr,
    /^mqk: Cannot use middleware gone\.ts: there is no such file below .*\n$/,
  );
  const expected = [
    [none, /^mqk: Cannot use middleware none\.ts: its default export .*$/m],
    [broken, /^mqk: Cannot load module broken\.ts: .*SyntaxError: .*$/m],
    [throws, /^mqk: Cannot load module throws\.ts: Error: no settings$/m],
  ] as const;
  for (const [{ code, stderr }, line] of expected) {
    assert.equal(code, 1, stderr);
    assert.match(stderr, line);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});

for (const how of ["HUP", "--watch"]) {
  Deno.test(`${how} brings new middleware; one that is broken leaves the workers as they are`, async () => {
    await using dir = project({ "jobs.ts": JOBS, "a.ts": marking("old") });
    const dsn = `sqlite:${join(dir.path, "queue.sqlite")}`;
    const options = ["--queue", "high", "-w", "1", "--root", dir.path];
    const more = ["--use", "a.ts", ...how === "HUP" ? [] : [how]];
    await using workers = await MqkProcess.run(dsn, ...options, ...more);
    await using client = connect(dsn);
    const change = (text: string) => {
      dir.write("a.ts", text);
      if (how === "HUP") workers.signal("SIGHUP");
    };
    assert.equal(await name(client, "x"), "old high x");
    change("export default 1;");
    await eventually(() =>
      assert.match(
        workers.stderr.join("\n"),
        /Cannot use middleware a\.ts[^]*The workers are not replaced/,
      ), 20_000);
    assert.equal(await name(client, "x"), "old high x");
    change(marking("new"));
    await eventually(async () => {
      assert.equal(await name(client, "x"), "new high x");
    }, 20_000);
  });
}
