import assert from "node:assert/strict";
import { join } from "node:path";
import { openBroker } from "../../src/broker/open.ts";
import { eventually } from "../harness/eventually.ts";
import { mqk, MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const QUEUE = "cron.main";
const PROGRAM = `
const [id, file] = Deno.args;
const note = (text) => Deno.writeTextFileSync(file, text, { append: true });
Deno.cron("each minute", "* * * * *", () => note("minute " + id + "\\n"));
let calls = 0;
Deno.cron("fails", "0 0 1 1 *", { backoffSchedule: [10, 10, 10] }, () => {
  note("fails\\n");
  if (++calls < 3) throw new Error("not yet");
});
Deno.cron("slow", "0 0 1 1 *", async () => {
  note("begun\\n");
  await new Promise((done) => setTimeout(done, 1500));
  note("ended\\n");
});
`;

/** A project with the program above, and what its handlers write. */
class Project implements AsyncDisposable {
  readonly folder = new TempDir();
  readonly #processes: MqkProcess[] = [];

  constructor(readonly dsn: string) {
    this.folder.write("deno.json", "{}");
    this.folder.write("main.ts", PROGRAM);
  }

  /** Starts the program, and waits until all crons are schedules. */
  async start(id: string): Promise<MqkProcess> {
    const file = join(this.folder.path, "notes.txt");
    const process = MqkProcess.command(
      ["cron", "-v", "-s", this.dsn, "main.ts", id, file],
      this.folder.path,
    );
    this.#processes.push(process);
    await eventually(async () => {
      await using broker = await openBroker(this.dsn);
      const schedules = await broker.schedules.list(QUEUE);
      assert.equal(schedules.length, 3, process.stderr.join("\n"));
    }, 30_000);
    return process;
  }

  notes(): string[] {
    try {
      const text = Deno.readTextFileSync(join(this.folder.path, "notes.txt"));
      return text.trim().split("\n");
    } catch {
      return [];
    }
  }

  async run(name: string): Promise<void> {
    const { code, stderr } = await mqk(
      ["schedule", "run", name, "-s", this.dsn],
    );
    assert.equal(code, 0, stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes) {
      await process[Symbol.asyncDispose]();
    }
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("of several processes with a program one calls the handler for a due time", async () => {
  await using redis = await RedisServer.start();
  await using project = new Project(redis.dsn);
  await Promise.all(["a", "b", "c"].map((id) => project.start(id)));
  await using broker = await openBroker(redis.dsn);
  for (let due = 1; due <= 5; due++) {
    const { nowMs, schedule } = await broker.schedules
      .find(QUEUE, "each_minute");
    const seen = project.notes().length;
    // Let it be due now, and again only at the next full minute.
    const firing = { schedule: schedule!, messages: [], nextMs: nowMs };
    assert.equal(await broker.schedules.fire(QUEUE, [firing]), 1);
    await eventually(() => {
      assert.ok(project.notes().length > seen);
    }, 20_000);
    const { schedule: next } = await broker.schedules
      .find(QUEUE, "each_minute");
    assert.equal(next!.nextMs! % 60_000, 0);
    const minutes = project.notes().filter((note) => /minute/.test(note));
    // A full minute may have come in between.
    assert.ok(minutes.length === seen + 1 || minutes.length === seen + 2);
  }
});

Deno.test("a handler that throws is called again, as its backoff says", async () => {
  await using folder = new TempDir();
  await using project = new Project(`sqlite:${folder.path}/queue.sqlite`);
  const process = await project.start("a");
  await project.run("fails");
  await eventually(() => {
    assert.ok(process.stderr.some((line) => /Cron fails has run/.test(line)));
  }, 20_000);
  const failed = process.stderr.filter((line) =>
    /Cron fails failed/.test(line)
  );
  assert.equal(failed.length, 2);
  const calls = project.notes().filter((note) => note === "fails");
  assert.equal(calls.length, 3);
});

Deno.test("a handler that runs ends before the process, and is called no second time", async () => {
  await using folder = new TempDir();
  await using project = new Project(`sqlite:${folder.path}/queue.sqlite`);
  const process = await project.start("a");
  await project.run("slow");
  await eventually(() => assert.ok(project.notes().includes("begun")), 20_000);
  const queues = await mqk(["queues", "--interval=0.1", "-s", project.dsn]);
  assert.match(queues.stdout, new RegExp(`^${QUEUE} active `, "m"));
  await project.run("slow");
  await eventually(() => {
    assert.ok(process.stderr.some((line) => /still runs/.test(line)));
  }, 20_000);
  process.signal("SIGTERM");
  assert.equal(await process.exitCode(), 0);
  const slow = project.notes().filter((note) => /begun|ended/.test(note));
  assert.deepEqual(slow, ["begun", "ended"]);
});

Deno.test("a program that ends gives its exit code, a cron that can't be is one line", async () => {
  await using folder = new TempDir();
  folder.write("deno.json", "{}");
  folder.write("ends.ts", "Deno.exit(7);");
  folder.write(
    "same.ts",
    'Deno.cron("a b", "* * * * *", () => {});' +
      'Deno.cron("a_b", "* * * * *", () => {});',
  );
  folder.write("back.ts", 'Deno.cron("a", "50-10 * * * *", () => {});');
  folder.write("net.ts", 'Deno.exit(Deno.env.has("HOME") ? 3 : 4);');
  const { path: cwd } = folder;
  assert.equal((await mqk(["cron", "ends.ts"], { cwd })).code, 7);
  for (
    const [program, message] of [
      ["same.ts", /crons "a b" and "a_b" apart/],
      ["back.ts", /Cannot use cron "50-10 \* \* \* \*"/],
    ] as const
  ) {
    const { code, stderr } = await mqk(["cron", "-q", program], { cwd });
    assert.match(stderr, message);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    assert.ok(code === 1 || code === 2);
  }
  const { code } = await mqk(["cron", "--allow-env=HOME", "net.ts"], { cwd });
  assert.equal(code, 3);
});
