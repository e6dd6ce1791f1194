import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { readPid } from "../harness/read_pid.ts";
import { CLI } from "../harness/mqk_process.ts";
import { Terminal } from "../harness/terminal.ts";
import { Site } from "./site.ts";

const JOBS = `
export async function work(seconds: number) { ran(); await sleep(seconds * 1000); return "ok"; }
`;
const CTRL_C = new Uint8Array([3]);

/** The program as a shell starts it. */
function shellCommand(site: Site, ...args: string[]): string {
  return [Deno.execPath(), "run", "-q", "-A", CLI, ...args, "-s", site.dsn]
    .map((part) => `'${part}'`).join(" ");
}

async function start(site: Site, ...args: string[]): Promise<Terminal> {
  const line = "exec " + shellCommand(site, "run", "-w", "1", ...args);
  const terminal = new Terminal(site.dir.path, line);
  await terminal.shows(/Master work on /);
  return terminal;
}

async function readyJobs(site: Site): Promise<string[]> {
  return await site.redis!.call(
    "LRANGE",
    "mqk:{default}:ready",
    0,
    -1,
  ) as string[];
}

Deno.test("Ctrl-C lets what runs end, leaves what waits, and exits with 0", async () => {
  await using site = await Site.open("redis", JOBS);
  await using terminal = await start(site, "--concurrency", "1");
  const [first] = await site.client.invokeMany([
    { job: "./jobs.ts#work", args: [2] },
    { job: "./jobs.ts#work", args: [2] },
  ]);
  await eventually(() => assert.equal(site.lines().length, 1));
  await terminal.press(CTRL_C);
  assert.equal(await first.result({ timeout: 20 }), "ok");
  assert.equal((await terminal.status).code, 0);
  assert.equal((await readyJobs(site)).length, 1);
  assert.equal(site.lines().length, 1);
});

Deno.test("a second Ctrl-C ends at once, and what ran keeps its attempt", async () => {
  await using site = await Site.open("redis", JOBS);
  await using terminal = await start(site);
  await site.client.invoke({ job: "./jobs.ts#work", retries: 0 }, 60);
  await eventually(() => assert.equal(site.lines().length, 1));
  const startedAt = performance.now();
  await terminal.press(CTRL_C);
  // Two at the same moment are one signal.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await terminal.press(CTRL_C);
  assert.equal((await terminal.status).code, 0);
  const tookMs = Math.round(performance.now() - startedAt);
  console.log(`ended after ${tookMs} ms`);
  assert.ok(tookMs < 6_000);
  const [message] = await readyJobs(site);
  assert.equal(JSON.parse(message).attempt, undefined);
});

Deno.test("a closed terminal stops the master, and what runs ends or keeps its attempt", async () => {
  await using site = await Site.open("redis", JOBS);
  await using terminal = await start(
    site,
    "--shutdown-timeout",
    "3",
    "--concurrency",
    "2",
  );
  const master = readPid(`${site.dir.path}/shell.pid`);
  const [short] = await site.client.invokeMany([
    { job: "./jobs.ts#work", args: [1], retries: 0 },
    { job: "./jobs.ts#work", args: [60], retries: 0 },
  ]);
  await eventually(() => assert.equal(site.lines().length, 2));
  terminal.close();
  assert.equal(await short.result({ timeout: 20 }), "ok");
  await eventually(
    () =>
      assert.throws(() => Deno.kill(master, "SIGCONT"), Deno.errors.NotFound),
    20_000,
  );
  const [message, ...others] = await readyJobs(site);
  assert.equal(others.length, 0);
  assert.equal(JSON.parse(message).attempt, undefined);
});

Deno.test("mqk monitor | head -1 ends with its reader, without an error", async () => {
  await using site = await Site.open("redis", JOBS);
  const line = shellCommand(site, "monitor", "--interval", "0.1");
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", `${line} | head -1; echo "exit codes \${PIPESTATUS[*]}"`],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assert.match(decoder.decode(stdout), /^[^\n]*,0\nexit codes 0 0\n$/);
  assert.equal(decoder.decode(stderr), "");
});

Deno.test("mqk run 2>&1 | head -1 runs on when its reader has gone", async () => {
  await using site = await Site.open(
    "redis",
    JOBS + `
    export function print(n: number) { ran(); console.log("line " + n); return n; }`,
  );
  const line = shellCommand(site, "run", "-w", "1");
  const child = new Deno.Command("bash", {
    args: [
      "-c",
      `(echo $BASHPID >master.pid; exec ${line} 2>&1) | head -1`,
    ],
    cwd: site.dir.path,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    for (let n = 0; n < 20; n++) {
      const job = await site.client.invoke("./jobs.ts#print", n);
      assert.equal(await job.result({ timeout: 20 }), n);
    }
    assert.ok(site.lines().every(({ attempt }) => attempt === 1));
    assert.equal(site.lines().length, 20);
  } finally {
    Deno.kill(readPid(`${site.dir.path}/master.pid`), "SIGTERM");
    await child.status;
  }
});
