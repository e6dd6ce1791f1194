import assert from "node:assert/strict";
import { join } from "node:path";
import { connect } from "../mod.ts";
import { sleep } from "../src/time/sleep.ts";
import { MqkProcess } from "./harness/mqk_process.ts";
import { TempDir } from "./harness/temp_dir.ts";

const ROOT = join(import.meta.dirname!, "..");
const EXAMPLES = join(ROOT, "examples");

/** Runs Deno until it ends; answers with its exit code and all it printed. */
async function deno(
  args: readonly string[],
  options: Deno.CommandOptions,
): Promise<{ code: number; output: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    ...options,
    args: [...args],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs an example beside two workers; answers with its output. */
async function runExample(name: string, ...args: string[]): Promise<string> {
  await using folder = new TempDir();
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  await using _workers = await MqkProcess.run(
    dsn,
    "--root",
    EXAMPLES,
    "--workers",
    "1",
  );
  const { code, output } = await deno(["run", "--allow-all", name, ...args], {
    cwd: EXAMPLES,
    env: { MQK_DSN: dsn },
  });
  assert.equal(code, 0, output);
  return output;
}

/** What git sees of the tree: an example leaves nothing behind in it. */
async function filesOf(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(folder)) names.push(entry.name);
  return names.sort();
}

Deno.test("the demo counts right, shows each part, and leaves nothing", async () => {
  await using folder = new TempDir();
  const files = folder.write("data/a.txt", "one two\nthree");
  folder.write("data/deeper/b.txt", "four\n");
  folder.write("data/node_modules/c.txt", "not counted\n");
  folder.write("data/image.bin", "\0\n");
  const temporary = join(folder.path, "temporary");
  Deno.mkdirSync(temporary);
  const before = await filesOf(ROOT);
  const { code, output } = await deno(["task", "demo", join(files, "..")], {
    cwd: ROOT,
    env: { TMPDIR: temporary, MQK_DSN: "redis://127.0.0.1:1" },
  });
  assert.equal(code, 0, output);
  assert.match(output, /added up: 3 lines, 4 words\s+in 2 files/);
  assert.match(output, /[\d,]+ jobs a second/);
  assert.match(output, /timed out for 1 seconds/);
  assert.match(output, /\(2 attempts\): NotFound/);
  assert.match(output, /It ran again and returned 42/);
  // A compiled program keeps its compiled code there for the next start.
  const left = (await filesOf(temporary))
    .filter((name) => !name.startsWith("deno-compile-"));
  assert.deepEqual(left, []);
  assert.deepEqual(await filesOf(ROOT), before);
});

Deno.test("the demo fails in one line on a folder that is not there", async () => {
  const { code, output } = await deno(["task", "demo", "/no/such/folder"], {
    cwd: ROOT,
  });
  assert.equal(code, 1);
  assert.match(output, /The demo failed: .*\/no\/such\/folder/);
  assert.doesNotMatch(output, /\n {4}at /);
});

Deno.test("the calculator example prints what its jobs returned", async () => {
  const output = await runExample("calculator.ts");
  assert.match(output, /1 \+ 2 = 3\n3 \* 4 = 12\n/);
  assert.match(output, /doubled: 2\ndoubled: 4\ndoubled: 6\n/);
});

Deno.test("the mail example sends one mail for two calls", async () => {
  await using outbox = new TempDir();
  const output = await runExample("mail.ts", outbox.path);
  assert.match(output, /one job for both calls: true\nann: sent\n/);
  assert.match(output, /nobody: "nobody" is no mail address/);
  assert.equal((await filesOf(outbox.path)).length, 1);
});

Deno.test("the progress example shows how far a job is, and a story as it is told", async () => {
  const output = await runExample("progress.ts");
  assert.match(output, /^10 %\n20 %\n/);
  assert.match(output, /\n100 %\nprimes: 17984\n/);
  assert.match(
    output,
    /\nOnce upon a time a job .* served\. \(\d+ characters\)\n$/,
  );
});

Deno.test("the heartbeat example runs on its schedule, and pauses it", async () => {
  await using folder = new TempDir();
  const file = join(folder.path, "beats.txt");
  const output = await runExample("heartbeat.ts", file);
  assert.match(output, /^beat: every second, next at \S+Z\nthree beats\n/);
  assert.match(output, /paused: true\n$/);
});

Deno.test("the late example names the queues whose next job waits too long", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  await using client = connect(dsn);
  await client.invoke({ job: "./x.ts#f", queue: "slow" });
  await sleep(1100);
  await client.invoke({ job: "./x.ts#f", queue: "fine" });
  const late = (seconds: string) =>
    deno(["run", "--allow-all", "late.ts", seconds], {
      cwd: EXAMPLES,
      env: { MQK_DSN: dsn },
    });
  assert.deepEqual(await late("60"), { code: 0, output: "" });
  const { code, output } = await late("1");
  assert.equal(code, 1);
  assert.match(
    output,
    /^slow is late: 1 jobs wait, the next one since \d+ s \(unserved\)$/m,
  );
});

Deno.test("the unique example has one job at a time, and cancels one", async () => {
  const output = await runExample("unique.ts");
  assert.equal(
    output,
    "one job for both calls: true\nyearly: 3 pages\n" +
      "a new one after it has ended: true\nyearly: 3 pages\n" +
      "cancelled: true\nits status: cancelled\n",
  );
});

Deno.test("the tenants example lets no tenant wait for another one", async () => {
  await using folder = new TempDir();
  const file = join(folder.path, "tenants.txt");
  const output = await runExample("tenants.ts", file);
  assert.equal(
    output,
    "jobs at once of one tenant, at most: 1\n" +
      "small ones waited for all of the large one: false\n",
  );
});

Deno.test("the chain example binds what was made, in its order", async () => {
  const output = await runExample("chain.ts");
  assert.match(output, /^bound: spring: 1 pages, summer: 2 pages\n/);
  assert.match(output, /\nand then: spring: .*, winter: 2 pages\n$/);
});

Deno.test("the pages example comes back when a server says so", async () => {
  let requests = 0;
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () =>
      ++requests === 1
        ? new Response("later", {
          status: 429,
          headers: { "retry-after": "1" },
        })
        : new Response("<html><title> Home </title></html>"),
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  assert.equal((await runExample("pages.ts", url)).trim(), `${url} Home`);
  assert.equal(requests, 2);
});

Deno.test("the Sentry example reports each failed attempt, as Sentry takes it", async () => {
  const reports: { path: string; auth: string; lines: string[] }[] = [];
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      reports.push({
        path: new URL(request.url).pathname,
        auth: request.headers.get("x-sentry-auth") ?? "",
        lines: (await request.text()).split("\n"),
      });
      return Response.json({});
    },
  );
  await using folder = new TempDir();
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  const use = ["--use", "middleware/sentry.ts", "--root", EXAMPLES];
  await using workers = MqkProcess.start(
    ["-s", dsn, "--workers", "1", ...use],
    EXAMPLES,
    { SENTRY_DSN: `http://public@127.0.0.1:${server.addr.port}/42` },
  );
  await workers.ready();
  await using client = connect(dsn);
  const mail = { to: "nobody", subject: "", outbox: "/nowhere" };
  const job = await client.invoke("./jobs/mail.ts#send", mail);
  await assert.rejects(job.result(), /no mail address/);
  const fine = await client.invoke("mqk:calculator#sum", 1, 2);
  assert.equal(await fine.result(), 3);
  const [{ path, auth, lines }, ...others] = reports;
  assert.deepEqual(others, []);
  assert.equal(path, "/api/42/envelope/");
  assert.match(auth, /^Sentry sentry_version=7, .*sentry_key=public$/);
  const [header, item, event] = lines.map((line) => JSON.parse(line));
  assert.equal(header.event_id, event.event_id);
  assert.deepEqual(item, { type: "event" });
  assert.equal(event.transaction, "./jobs/mail.ts#send");
  assert.deepEqual(event.tags, { queue: "default", attempt: 1 });
  assert.deepEqual(event.exception.values, [{
    type: "NoRetry",
    value: '"nobody" is no mail address',
  }]);
  assert.equal(event.extra.job, job.id);
});

Deno.test("the traces example shows the call, the wait, the run and what it calls", async () => {
  const { code, output } = await deno(
    ["run", "--allow-all", "--quiet", "traces.ts"],
    { cwd: EXAMPLES, env: { MQK_DSN: "" } },
  );
  assert.equal(code, 0, output);
  const tree = output.replace(/ +[\d.]+ ms$/gm, "");
  assert.equal(
    tree,
    "send default\n  wait default\n  process default\n    GET\n",
  );
});

Deno.test("the tests of the mail example pass, without workers", async () => {
  await using folder = new TempDir();
  const { code, output } = await deno(
    ["test", "--no-check", "--allow-read", "--allow-write", "mail_test.ts"],
    { cwd: EXAMPLES, env: { TMPDIR: folder.path, NO_COLOR: "1" } },
  );
  assert.equal(code, 0, output);
  assert.match(output, /4 passed/);
});
