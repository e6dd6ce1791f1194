import assert from "node:assert/strict";
import { Master, type MasterEnd } from "../../src/master/master.ts";
import { eventually } from "../harness/eventually.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** A master whose workers are fake; ended when it is disposed. */
class TestMaster implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly master: Master;
  readonly end: Promise<MasterEnd>;

  constructor(
    behaviour: string,
    options: { workers?: number; burst?: boolean; folder?: string } = {},
  ) {
    this.master = new Master({
      command: {
        path: Deno.execPath(),
        args: ["run", "-A", "-q", import.meta.resolve("./fake_worker.ts")],
      },
      workers: options.workers ?? 1,
      startTogether: 4,
      config: {
        dsn: "redis://:secret@localhost",
        queues: ["default"],
        root: Deno.cwd(),
        modules: [behaviour, options.folder ?? ""],
        use: [],
        allowImport: [],
        concurrency: 10,
        fast: false,
        burst: options.burst ?? false,
        shutdownTimeoutMs: 0,
        verbosity: 0,
        logFormat: "text",
      },
      passOn: (line) => this.lines.push(line),
    });
    this.end = this.master.run();
  }

  /** The lines that begin with `word`, split at spaces. */
  all(word: string): string[][] {
    return this.lines.map((line) => line.split(" "))
      .filter(([first]) => first === word);
  }

  /** Waits until so many workers were ever started. */
  async started(workers: number): Promise<string[][]> {
    await eventually(
      () => assert.equal(this.all("started").length, workers),
      20_000,
    );
    return this.all("started");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.master.quit();
    await this.end;
  }
}

Deno.test(
  "a worker that is killed is replaced at once, and its successor knows it",
  async () => {
    await using test = new TestMaster("serve");
    const [[, pid, name]] = await test.started(1);
    await eventually(() => assert.equal(test.master.pids.length, 1));
    const killedAt = performance.now();
    Deno.kill(Number(pid), "SIGKILL");
    const [, [, , , , predecessor, first]] = await test.started(2);
    assert.equal(predecessor, name);
    assert.equal(first, "first=true");
    assert.ok(performance.now() - killedAt < 5000);
  },
);

Deno.test("one unreachable broker ends the master with one line, not one per worker", async () => {
  await using test = new TestMaster("fatal", { workers: 3 });
  assert.deepEqual(await test.end, { exitCode: 1, line: "Cannot reach it" });
  assert.equal(test.all("started").length, 1);
});

Deno.test("a master gives up if no worker ever becomes ready", async () => {
  await using test = new TestMaster("never ready", { workers: 2 });
  const end = await test.end;
  assert.equal(end.exitCode, 1);
  assert.match(end.line!, /no worker became ready/);
  assert.ok(test.all("started").length <= 6);
});

Deno.test("only one of the workers is the first", async () => {
  await using test = new TestMaster("serve", { workers: 3 });
  const firsts = (await test.started(3)).map((words) => words.at(-1));
  assert.deepEqual(firsts, ["first=true", "first=false", "first=false"]);
});

Deno.test("burst mode ends with 0 when nothing is left", async () => {
  await using test = new TestMaster("serve", { workers: 2, burst: true });
  assert.deepEqual(await test.end, { exitCode: 0 });
});

Deno.test("burst mode ends with 1 if a job failed for good", async () => {
  await using test = new TestMaster("one job fails", { burst: true });
  assert.deepEqual(await test.end, { exitCode: 1 });
});

Deno.test("stop reaches every worker and ends the master with 0", async () => {
  await using test = new TestMaster("serve", { workers: 2 });
  await test.started(2);
  test.master.stop();
  assert.deepEqual(await test.end, { exitCode: 0 });
  assert.equal(test.all("stop").length, 2);
});

Deno.test("a worker that does not stop in time is killed", async () => {
  await using test = new TestMaster("deaf");
  await test.started(1);
  test.master.stop();
  assert.deepEqual(await test.end, { exitCode: 0 });
});

Deno.test("replaced workers stop only after their successors are ready", async () => {
  await using test = new TestMaster("serve", { workers: 2 });
  const before = (await test.started(2)).map(([, pid]) => pid);
  test.master.replaceWorkers();
  const all = (await test.started(4)).map(([, pid]) => pid);
  await eventually(() => assert.equal(test.all("stop").length, 2));
  assert.deepEqual(test.all("stop").map(([, pid]) => pid), before);
  await eventually(() =>
    assert.deepEqual(test.master.pids.map(String), all.slice(2))
  );
  const stopAt = test.lines.indexOf(`stop ${before[0]}`);
  const startAt = test.lines.findIndex((line) => line.includes(all[2]));
  assert.ok(startAt < stopAt);
});

Deno.test("a worker that gets a successor while all are replaced leaves one, not two", async () => {
  await using dir = new TempDir();
  await using test = new TestMaster("first is worn", { folder: dir.path });
  await test.started(1);
  dir.write("go1", "");
  await test.started(2);
  test.master.replaceWorkers();
  await test.started(3);
  dir.write("go2", "");
  await eventually(() => assert.equal(test.all("retire").length, 1));
  dir.write("go3", "");
  // That was not needed any more; the successor is replaced in its turn.
  const [, , , last] = await test.started(4);
  dir.write("go4", "");
  await eventually(() =>
    assert.deepEqual(test.master.pids.map(String), [last[1]])
  );
  assert.equal(test.master.workers.length, 1);
});

Deno.test("no more workers leave at a time than serve", async () => {
  await using test = new TestMaster("deaf and worn");
  const [, [, second]] = await test.started(2);
  const asked = () => test.all("asked").filter(([, pid]) => pid === second);
  await eventually(() => assert.ok(asked().length >= 5));
  const [first] = test.master.pids;
  assert.equal(test.master.pids.length, 2);
  Deno.kill(first, "SIGKILL");
  await test.started(3);
});

Deno.test("workers are added and removed, but one stays", async () => {
  await using test = new TestMaster("serve");
  await test.started(1);
  test.master.addWorker();
  await test.started(2);
  test.master.removeWorker();
  test.master.removeWorker();
  await eventually(() => assert.equal(test.master.pids.length, 1));
  assert.equal(test.all("stop").length, 1);
});

Deno.test("one worker after the other may drain for a suspect", async () => {
  await using test = new TestMaster("suspect", { workers: 2 });
  await test.started(2);
  await eventually(() => assert.ok(test.all("drain").length >= 2));
});

Deno.test("a worker's lines are passed on whole, without its reports", async () => {
  await using test = new TestMaster("lines");
  await test.started(1);
  await eventually(() => assert.equal(test.lines.length, 4));
  assert.deepEqual(test.lines.slice(1), ["no line end", "a whole line", ""]);
});

Deno.test("a worker has the DSN neither in its environment nor as argument", async () => {
  Deno.env.set("MQK_DSN", "redis://:secret@localhost");
  try {
    await using test = new TestMaster("environment");
    await eventually(() => assert.equal(test.lines.length, 2));
    assert.equal(test.lines[1], "undefined ");
  } finally {
    Deno.env.delete("MQK_DSN");
  }
});
