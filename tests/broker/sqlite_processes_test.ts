import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import { deadline } from "../../src/time/deadline.ts";
import { TempDir } from "../harness/temp_dir.ts";

const CHILD = fileURLToPath(import.meta.resolve("./sqlite_child.ts"));
const QUEUE = "q";
const ALL = { limit: 1000, bytes: 1_000_000, known: 0, idle: false };

function spawn(what: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", CHILD, what, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Reads lines of a process; kills it after `lines`, and reads the rest. */
async function killAfter(
  child: Deno.ChildProcess,
  lines: number,
): Promise<string[]> {
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (lines > 0 && text.split("\n").length > lines) {
      lines = 0;
      child.kill("SIGKILL");
    }
  }
  await child.status;
  return text.split("\n").filter((line) => line !== "");
}

Deno.test("sqlite: processes that make a file at the same moment all use it", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  const moment = String(Date.now() + 1000);
  const children = Array.from({ length: 4 }, () => spawn("open", path, moment));
  const ends = await Promise.all(children.map((child) => child.output()));
  assert.deepEqual(ends.map(({ code }) => code), [0, 0, 0, 0]);
  for (let i = 0; i < 5; i++) {
    const dsn = { kind: "sqlite", path: `${path}${i}` } as const;
    await using broker = await SqliteBroker.open(dsn);
    assert.equal((await broker.counts([QUEUE]))[0].ready, 4);
  }
});

Deno.test("sqlite: a producer that is killed while it writes loses no confirmed job", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  const lines = await killAfter(spawn("produce", path), 20);
  const confirmed = Number(lines.at(-1));
  assert.ok(confirmed >= 200);

  await using broker = await SqliteBroker.open({ kind: "sqlite", path });
  const { ready } = (await broker.counts([QUEUE]))[0];
  assert.ok(ready === confirmed || ready === confirmed + 10, `${ready}`);
  const taken: string[] = [];
  while (taken.length < ready) {
    const { messages } = await broker.take(QUEUE, 1000, 1_000_000);
    taken.push(...messages);
  }
  assert.deepEqual(taken, Array.from({ length: ready }, (_, i) => String(i)));
});

Deno.test("sqlite: every job of a worker that is killed is held, waits, or has its result", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  await using broker = await SqliteBroker.open({ kind: "sqlite", path });
  const jobs = Array.from({ length: 2000 }, (_, i) => `p.${i}`);
  await broker.enqueue(
    jobs.map((id, i) => ({ id, queue: QUEUE, message: String(i) })),
  );
  const lines = await killAfter(spawn("work", path), 20);

  const results = (await broker.results(QUEUE, jobs))
    .filter((outcome) => outcome !== null);
  const { ready, held } = (await broker.counts([QUEUE]))[0];
  assert.ok(results.length >= lines.reduce((sum, n) => sum + Number(n), 0));
  assert.equal(results.length + ready + held, jobs.length);

  assert.equal(await broker.recover("w1", QUEUE, "replaced"), held);
  const rest = [];
  for (let known = 0; known < ready + held;) {
    const batch = await broker.reserve("w2", QUEUE, {
      ...ALL,
      known,
      idle: true,
    });
    rest.push(...batch.messages);
    known = rest.length;
  }
  assert.equal(new Set([...rest, ...results]).size, jobs.length);
});

Deno.test("sqlite: a commit of another process wakes a wait long before its next poll", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  await using broker = await SqliteBroker.open({ kind: "sqlite", path });
  const child = spawn("echo", path);
  const output = child.stdout.getReader();
  await output.read();

  const signal = new AbortController().signal;
  const startedMs = performance.now();
  for (let round = 0; round < 10; round++) {
    await broker.enqueue([{
      id: "p.0",
      queue: "ping",
      message: String(round),
    }]);
    assert.deepEqual(await broker.wait(["pong"], signal), ["pong"]);
    assert.deepEqual((await broker.take("pong", 10, 1000)).messages, [
      String(round),
    ]);
  }
  // Polls alone, one a second on each side, would take 10 s and more.
  assert.ok(performance.now() - startedMs < 6000);

  await broker.enqueue([{ id: "p.0", queue: "ping", message: "end" }]);
  while (!(await output.read()).done);
  assert.equal((await child.status).code, 0);
});

Deno.test("sqlite: a client that is forgotten stores its jobs and keeps no program alive", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  const child = spawn("forget", path);
  const output = child.output();
  try {
    const { code, stdout } = await deadline(output, 15_000, "its end");
    assert.equal(code, 0);
    assert.equal(new TextDecoder().decode(stdout), "stored\n");
  } catch (error) {
    child.kill("SIGKILL");
    await output;
    throw error;
  }
  await using broker = await SqliteBroker.open({ kind: "sqlite", path });
  assert.equal((await broker.counts([QUEUE]))[0].ready, 1);
});

Deno.test({
  name:
    "sqlite: a producer hears of a write that fails, and what it confirmed is there",
  // A limit of file sizes is the disk that is full here.
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = new TempDir();
    const path = join(dir.path, "queue.sqlite");
    const limited = `trap '' XFSZ; ulimit -f 2000; exec "$@"`;
    const { stdout } = await new Deno.Command("sh", {
      // deno-fmt-ignore
      args: ["-c", limited, "sh", Deno.execPath(), "run", "--quiet", "--allow-all", CHILD, "fill", path],
      stderr: "inherit",
    }).output();
    const { name, message, confirmed, ready } = JSON.parse(
      new TextDecoder().decode(stdout),
    );
    assert.equal(name, "BrokerError");
    assert.match(message, /0 of 1 jobs are stored: Cannot store jobs: .*disk/);
    assert.ok(confirmed > 10);
    assert.equal(ready, confirmed);

    await using broker = await SqliteBroker.open({ kind: "sqlite", path });
    assert.equal((await broker.counts([QUEUE]))[0].ready, confirmed);
    await broker.enqueue([{
      id: "p.0",
      queue: QUEUE,
      message: "there is room",
    }]);
  },
});
