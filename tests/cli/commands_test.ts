import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { CLI, mqk, MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const SUM = "mqk:calculator#sum";

/** A folder with an empty `deno.json`, so that it is a root of its own. */
function project(files: Record<string, string> = {}): TempDir {
  const dir = new TempDir();
  dir.write("deno.json", "{}");
  for (const [name, text] of Object.entries(files)) dir.write(name, text);
  return dir;
}

Deno.test("invoke, burst and the historical log lines, with the embedded broker", async () => {
  await using dir = project();
  const { path: cwd } = dir;
  const sent = await mqk(["invoke", SUM, "1", "1"], { cwd });
  assert.equal(sent.code, 0, sent.stderr);
  assert.match(sent.stdout, /^\S+\n$/);
  const ran = await mqk(["run", "--burst", "-w", "1"], { cwd });
  assert.equal(ran.code, 0, ran.stderr);
  const time = String.raw`\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \d+`;
  for (
    const line of [
      String.raw`\.NOTICE: Master work on \d+`,
      String.raw`\.INFO: Job finished and result is 2`,
      String.raw`\.NOTICE: Worker \d+ is quitting\.`,
    ]
  ) assert.match(ran.stderr, new RegExp(`^${time} ${line}$`, "m"));
  assert.equal(ran.stdout, "");
  assert.ok(await Deno.stat(`${cwd}/.mqk/queue.sqlite`));
  assert.equal(await Deno.readTextFile(`${cwd}/.mqk/.gitignore`), "*\n");
});

Deno.test("--quiet and --quite log warnings only", async () => {
  await using dir = project();
  const { path: cwd } = dir;
  for (const option of ["--quiet", "--quite"]) {
    await mqk(["invoke", SUM, "1", "1"], { cwd });
    const { code, stderr } = await mqk(
      ["run", "--burst", "-w", "1", option],
      { cwd },
    );
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  }
});

Deno.test("--log-format json makes every line an object", async () => {
  await using dir = project();
  const { path: cwd } = dir;
  await mqk(["invoke", SUM, "1", "1"], { cwd });
  const { stderr } = await mqk(
    ["run", "--burst", "-w", "1", "--log-format", "json"],
    { cwd },
  );
  const messages = stderr.trim().split("\n")
    .map((line) => JSON.parse(line).message);
  assert.ok(messages.includes("Job finished and result is 2"), stderr);
});

Deno.test("-vvv names broker commands, -vv each job's life", async () => {
  await using dir = project();
  const { path: cwd } = dir;
  await mqk(["invoke", SUM, "1", "1"], { cwd });
  const life = await mqk(["run", "--burst", "-w", "1", "-vv"], { cwd });
  assert.match(life.stderr, /DEBUG: Reserved from queue default/);
  assert.doesNotMatch(life.stderr, /DEBUG: settle\(/);
  await mqk(["invoke", SUM, "1", "1"], { cwd });
  const all = await mqk(["run", "--burst", "-w", "1", "-vvv"], { cwd });
  assert.match(all.stderr, /DEBUG: settle\(/);
});

Deno.test("a job that overruns its ttl is named, and succeeds on its second attempt", async () => {
  await using dir = project();
  const { path: cwd } = dir;
  const reference = "mqk:calculator#sumTimeout";
  await mqk(["invoke", reference, "1", "1", "--ttl", "1"], { cwd });
  const { code, stderr } = await mqk(["run", "--burst", "-w", "1"], { cwd });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /\.WARNING: The job \S+ timed out for 1 seconds\./);
  assert.match(stderr, /Job finished and result is 2/);
});

Deno.test("burst exits with 1 if a job went to the failed set; list, retry, delete", async () => {
  await using dir = project({
    "fail.ts": "export function no() { throw new TypeError('not today'); }",
  });
  const { path: cwd } = dir;
  await mqk(["invoke", "./fail.ts#no", "--retries", "0"], { cwd });
  assert.equal((await mqk(["run", "-b", "-w", "1", "-q"], { cwd })).code, 1);
  const list = await mqk(["failed", "list"], { cwd });
  const [id] = list.stdout.split(" ");
  assert.match(
    list.stdout,
    /^\S+ default .* \.\/fail\.ts#no \(1 attempt\): TypeError: not today\n$/,
  );
  const json = await mqk(["failed", "list", "--json"], { cwd });
  const { error, ...job } = JSON.parse(json.stdout);
  assert.deepEqual([job.id, job.job, job.attempts], [id, "./fail.ts#no", 1]);
  assert.match(error.stack, /fail\.ts:1/);
  assert.equal((await mqk(["failed", "retry", "nobody"], { cwd })).code, 1);
  assert.equal((await mqk(["failed", "retry", id], { cwd })).stdout, `${id}\n`);
  assert.equal((await mqk(["failed", "list"], { cwd })).stdout, "");
  assert.equal((await mqk(["run", "-b", "-w", "1", "-q"], { cwd })).code, 1);
  assert.equal((await mqk(["failed", "delete", "--all"], { cwd })).code, 0);
  assert.equal((await mqk(["failed", "list"], { cwd })).stdout, "");
  assert.equal((await mqk(["run", "-b", "-w", "1", "-q"], { cwd })).code, 0);
});

Deno.test("invoke --follow prints what a job reports before its result", async () => {
  await using dir = project({
    "a.ts": `
      export function* counts() { yield 1; yield { two: 2 }; return "done"; }
      export function* fails() { yield 1; throw new Error("no"); }`,
  });
  const { path: cwd } = dir;
  await using _run = await MqkProcess.in(cwd, "-w", "1");
  const follow = (...args: string[]) =>
    mqk(["invoke", "--follow", ...args], { cwd });
  const counts = await follow("a.ts#counts");
  assert.equal(counts.stdout, '1\n{"two":2}\n"done"\n', counts.stderr);
  const twice = await follow("a.ts#counts", "-i", "2");
  assert.equal(twice.stdout, counts.stdout.repeat(2));
  const fails = await follow("a.ts#fails", "--retries", "0");
  assert.deepEqual([fails.code, fails.stdout], [1, "1\n"]);
  assert.match(fails.stderr, /^mqk: Job \S+ failed after 1 attempt: no\n$/);
});

Deno.test("invoke --wait prints results, and exits with 1 if a job failed", async () => {
  await using dir = project({
    "jobs/a.ts": `
      export default (x: unknown) => ({ got: x });
      export const nothing = () => {};
      export function fail() { throw new Error("no"); }
      export class Calculator {
        static sum(a: number, b: number) { return a + b; }
        sub(a: number, b: number) { return a - b; }
      }`,
  });
  const { path: cwd } = dir;
  await using _run = await MqkProcess.in(cwd, "-w", "1");
  const wait = (...args: string[]) =>
    mqk(["invoke", "--wait", ...args], { cwd });
  const [json, big, plain, none, member, many, failed, instance] = await Promise
    .all([
      wait("jobs/a.ts#default", '{"a":[1]}'),
      wait("./jobs/a.ts", "9007199254740993"),
      wait("./jobs/a.ts#default", "it's text"),
      wait("./jobs/a.ts#nothing"),
      wait("./jobs/a.ts#Calculator.sum", "1", "2"),
      wait(SUM, "1", "2", "-i", "3"),
      wait("./jobs/a.ts#fail", "--retries", "0"),
      wait("./jobs/a.ts#Calculator.sub", "--retries", "0"),
    ]);
  assert.equal(json.stdout, '{"got":{"a":[1]}}\n', json.stderr);
  assert.equal(big.stdout, '{"got":"9007199254740993"}\n');
  assert.equal(plain.stdout, '{"got":"it\'s text"}\n');
  assert.equal(none.stdout, "\n");
  assert.equal(member.stdout, "3\n");
  assert.equal(many.stdout, "3\n3\n3\n");
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^mqk: Job \S+ failed after 1 attempt: no\n$/);
  assert.equal(instance.code, 1);
  assert.match(instance.stderr, /sub.*static/);
});

Deno.test("a bare name is found in the modules of mqk run, and only they are served", async () => {
  await using dir = project({
    "k.ts": "export const add = (a: number, b: number) => a + b;",
    "twin.ts": "export const add = (a: number, b: number) => a - b;",
  });
  const { path: cwd } = dir;
  await using _run = await MqkProcess.in(cwd, "-w", "1", "k.ts");
  const invoke = (reference: string) =>
    mqk(["invoke", reference, "1", "1", "--wait", "--retries", "0"], { cwd });
  const [bare, full, builtIn, other] = await Promise.all(
    ["add", "./k.ts#add", SUM, "./twin.ts#add"].map(invoke),
  );
  assert.equal(bare.stdout, "2\n", bare.stderr);
  assert.equal(full.stdout, "2\n", full.stderr);
  assert.equal(builtIn.stdout, "2\n", builtIn.stderr);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /twin\.ts/);
});

Deno.test("monitor counts down, as the original did, and ends when nobody reads it", async () => {
  await using dir = project();
  const { path: cwd } = dir;
  await mqk(["invoke", SUM, "1", "1", "-i", "20000"], { cwd });
  await using monitor = MqkProcess.command(
    ["monitor", "--interval", "0.05"],
    cwd,
  );
  await eventually(() => assert.match(monitor.stdout[0] ?? "", /,20000$/));
  const ran = await mqk(["run", "-bfq", "-w", "1"], { cwd });
  assert.equal(ran.code, 0, ran.stderr);
  await eventually(() =>
    assert.match(monitor.stdout.at(-1)!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,0$/)
  );
  const piped = await new Deno.Command("bash", {
    args: [
      "-c",
      'set -o pipefail; "$0" run -A -q "$1" monitor --interval 0.05 | head -n 1',
      Deno.execPath(),
      CLI,
    ],
    cwd,
    env: { MQK_DSN: "" },
  }).output();
  assert.equal(piped.code, 0, new TextDecoder().decode(piped.stderr));
});

Deno.test("queues are served in strict order", async () => {
  await using redis = await RedisServer.start();
  await using dir = project({
    "log.ts":
      "export const log = (text: string) => Deno.writeTextFileSync('log.txt', text, { append: true });",
  });
  const { path: cwd } = dir;
  const on = ["-s", redis.dsn];
  for (const queue of ["low", "high", "low", "high"]) {
    await mqk(["invoke", "./log.ts#log", queue[0], "--queue", queue, ...on], {
      cwd,
    });
  }
  const { code } = await mqk(
    ["run", "-bq", "-w", "1", "--queue", "high", "--queue", "low", ...on],
    { cwd },
  );
  assert.equal(code, 0);
  assert.equal(await Deno.readTextFile(`${cwd}/log.txt`), "hhll");
});
