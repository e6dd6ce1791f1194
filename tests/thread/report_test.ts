import assert from "node:assert/strict";
import { decodeUpdate } from "../../src/job/update.ts";
import { eventually } from "../harness/eventually.ts";
import { TempDir } from "../harness/temp_dir.ts";
import { message, TestThread } from "./test_thread.ts";

const numbersTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

Deno.test("what a job reports is sent before its outcome, with its attempt and number", async () => {
  await using thread = await TestThread.start();
  for (const job of ["counts", "countsAtOnce"]) {
    thread.reports.length = 0;
    const text = message(`./reports.ts#${job}`, { args: [50], attempt: 2 });
    const ended = await thread.run(text);
    assert.equal(ended.kind, "done");
    assert.deepEqual(thread.updates, numbersTo(50));
    assert.equal(thread.reports.at(-1)!.kind, "ended");
    assert.equal(
      thread.reports.filter(({ kind }) => kind === "ended").length,
      1,
    );
    const updates = thread.reports.flatMap((report) =>
      report.kind === "report" ? report.updates : []
    ).map((update) => decodeUpdate(update)!);
    assert.deepEqual(updates.map(({ number }) => number), numbersTo(50));
    assert.deepEqual(
      new Set(updates.map(({ attempt }) => attempt)),
      new Set([2]),
    );
    assert.equal(new Set(updates.map(({ run }) => run)).size, 1);
  }
});

Deno.test("each run of a job is another one", async () => {
  await using thread = await TestThread.start();
  const text = message("./reports.ts#counts", { args: [1] });
  await thread.run(text);
  await thread.run(text);
  const runs = thread.reports.flatMap((report) =>
    report.kind === "report"
      ? report.updates.map((update) => decodeUpdate(update)!.run)
      : []
  );
  assert.equal(runs.length, 2);
  assert.notEqual(runs[0], runs[1]);
});

Deno.test("report waits until the main thread lets the job go on", async () => {
  await using thread = await TestThread.start();
  thread.answersReports = false;
  const batch = thread.dispatch(message("./reports.ts#counts", { args: [2] }));
  for (const n of [1, 2]) {
    await eventually(() => assert.equal(thread.reports.length, n));
    await thread.answers();
    assert.equal(thread.reports.length, n);
    assert.deepEqual(thread.endedOf(batch), []);
    thread.answerReport(batch.number, 0, 1);
  }
  await thread.all(batch);
});

Deno.test("a job that computes without a pause is heard", async () => {
  await using thread = await TestThread.start();
  await using folder = new TempDir();
  const path = `${folder.path}/go`;
  const text = message("./reports.ts#reportsAndComputes", { args: [path] });
  const batch = thread.dispatch(text);
  await eventually(() => assert.deepEqual(thread.updates, ["begun"]));
  assert.deepEqual(thread.endedOf(batch), []);
  folder.write("go", "went");
  await thread.all(batch);
});

Deno.test("of more than the store takes, the oldest that wait are dropped", async () => {
  await using thread = await TestThread.start();
  thread.answersReports = false;
  await thread.call("./reports.ts#countsAtOnce", 5000);
  // The first were under way, the last are what would be kept.
  const all = numbersTo(5000);
  assert.deepEqual(thread.updates, [...all.slice(0, 1000), ...all.slice(4000)]);
});

Deno.test("what JSON would change, or is too large, is refused with its path", async () => {
  await using thread = await TestThread.start();
  const { name, message: text } = await thread
    .failing("./reports.ts#reportsBadly");
  assert.equal(name, "ArgumentError");
  assert.match(text, /Cannot report update\.when: a Date becomes a string/);
  await thread.call("./reports.ts#reportsMuch", 65_534);
  assert.match(
    (await thread.failing("./reports.ts#reportsMuch", 65_535)).message,
    /update of 65537 characters of JSON: it must be at most 65536/,
  );
  assert.equal(
    thread.reports.filter(({ kind }) => kind === "report").length,
    1,
  );
});

Deno.test("a job that nobody can follow reports into nothing", async () => {
  await using thread = await TestThread.start();
  thread.answersReports = false;
  for (const fields of [{ result: false }, { id: undefined }, { id: "x" }]) {
    const text = message("./reports.ts#counts", { args: [3], ...fields });
    assert.equal((await thread.run(text)).kind, "done");
  }
  assert.deepEqual(thread.updates, []);
  await thread.failing("./reports.ts#reportsBadly");
});

Deno.test("a job that has ended reports no more", async () => {
  await using thread = await TestThread.start();
  await thread.call("./reports.ts#keepsItself");
  const outcome = await thread.call("./reports.ts#reportsTooLate");
  assert.match(outcome!, /Cannot report an update: job p\.1 has ended/);
  assert.deepEqual(thread.updates, []);
});

Deno.test("a generator streams what it yields, and its return is the result", async () => {
  await using thread = await TestThread.start();
  assert.equal(await thread.call("./reports.ts#lines", 3), "3");
  assert.deepEqual(thread.updates, [1, 2, 3].map((n) => `line ${n} of p.1`));
  thread.reports.length = 0;
  assert.equal(await thread.call("./reports.ts#numbers", 4), "");
  assert.deepEqual(thread.updates, [1, 2, 3, 4]);
  thread.reports.length = 0;
  assert.equal(await thread.call("./reports.ts#body"), "");
  assert.deepEqual(thread.updates, ["a", "b"]);
});

Deno.test("a generator goes on when what it yielded was taken over", async () => {
  await using thread = await TestThread.start();
  thread.answersReports = false;
  const batch = thread.dispatch(message("./reports.ts#lines", { args: [2] }));
  for (const n of [1, 2]) {
    await eventually(() => assert.equal(thread.reports.length, n));
    await thread.answers();
    assert.equal(thread.reports.length, n);
    thread.answerReport(batch.number, 0, 1);
  }
  await thread.all(batch);
});

Deno.test("an abort ends a generator between two yields, and its finally blocks run", async () => {
  await using thread = await TestThread.start();
  await using folder = new TempDir();
  const path = `${folder.path}/ended`;
  for (const job of ["endless", "endlessAtOnce"]) {
    for (
      const [reason, kind] of [["ttl", "retry"], [
        "shutdown",
        "released",
      ]] as const
    ) {
      const batch = thread
        .dispatch(message(`./reports.ts#${job}`, { args: [path] }));
      await eventually(() => assert.ok(thread.updates.length > 2));
      thread.abort(batch, 0, reason);
      const [ended] = await thread.all(batch);
      assert.equal(ended.kind, kind);
      if (ended.kind === "retry") {
        assert.equal(ended.error.name, "TtlExceededError");
      }
      assert.equal(Deno.readTextFileSync(path), "ended");
      Deno.removeSync(path);
      thread.reports.length = 0;
    }
  }
});

Deno.test("an abort ends a generator that waits for a store that is away", async () => {
  await using thread = await TestThread.start();
  await using folder = new TempDir();
  thread.answersReports = false;
  const path = `${folder.path}/ended`;
  const batch = thread.dispatch(
    message("./reports.ts#endless", { args: [path] }),
  );
  await eventually(() => assert.deepEqual(thread.updates, [1]));
  thread.abort(batch, 0, "ttl");
  const [{ kind }] = await thread.all(batch);
  assert.equal(kind, "retry");
  assert.equal(Deno.readTextFileSync(path), "ended");
});

Deno.test("a generator that yields what JSON can't hold, or throws, fails", async () => {
  await using thread = await TestThread.start();
  await using folder = new TempDir();
  const path = `${folder.path}/ended`;
  const bad = await thread.failing("./reports.ts#yieldsBadly", path);
  assert.match(bad.message, /Cannot report update: a Map becomes/);
  assert.equal(Deno.readTextFileSync(path), "ended");
  const thrown = await thread.failing("./reports.ts#throwsLater");
  assert.equal(thrown.name, "RangeError");
  assert.deepEqual(thread.updates, [1, 1]);
});

Deno.test("a job follows another one through its worker's broker", async () => {
  await using thread = await TestThread.start();
  const text = message("./reports.ts#follows", { args: ["q", "a.7"] });
  const batch = thread.dispatch(text);
  const answer = async (verb: string, value: unknown) => {
    await eventually(() => assert.equal(thread.calls.at(-1)?.verb, verb));
    const { call, args } = thread.calls.at(-1)!;
    thread.post({ kind: "answer", call, value });
    return args;
  };
  const [queue, id, watch] = await answer("watch_updates", undefined);
  assert.deepEqual([queue, id], ["q", "a.7"]);
  thread.post({ kind: "changed", watch: Number(watch) });
  const page = { updates: ["1"], position: "5" };
  assert.deepEqual(
    await answer("read_updates", page),
    ["q", "a.7", undefined, 10],
  );
  assert.deepEqual(await answer("unwatch", undefined), [watch]);
  const [ended] = await thread.all(batch);
  assert.equal(ended.kind === "done" && ended.outcome, JSON.stringify(page));
});
