import assert from "node:assert/strict";
import { decodeMessage } from "../../src/job/message.ts";
import { decodeFailedEntry, decodeOutcome } from "../../src/job/outcome.ts";
import { Slot } from "../../src/thread/protocol.ts";
import { eventually } from "../harness/eventually.ts";
import { message, TestThread } from "./test_thread.ts";

Deno.test("a job's function is called with its arguments, and its outcome is stored", async () => {
  await using thread = await TestThread.start();
  assert.deepEqual(
    await thread.run(message("./calculator.ts#sum", { args: [1, 2] })),
    { index: 0, kind: "done", id: "p.1", outcome: "3", shown: "3" },
  );
  assert.equal(await thread.call("./calculator.ts#Calculator.add", 1, 2), "3");
  assert.equal(await thread.call("./calculator.ts", 4), "-4");
  assert.equal(await thread.call("./results.ts#later", [1]), "[1]");
  assert.equal(await thread.call("./results.ts#thenable"), "7");
});

Deno.test("a result that JSON keeps is stored as its JSON", async () => {
  await using thread = await TestThread.start();
  assert.equal(await thread.call("./results.ts#nothing"), "");
  for (const value of [null, true, 0.5, 'a"b\n\u{1f600}\0', [], { a: [{}] }]) {
    assert.equal(
      await thread.call("./results.ts#echo", value),
      JSON.stringify(value),
    );
  }
});

Deno.test("a result that JSON would lose or change is not kept, and says where", async () => {
  await using thread = await TestThread.start();
  const kept = async (job: string, ...args: unknown[]) =>
    decodeOutcome((await thread.call(`./results.ts#${job}`, ...args))!);
  const refusals: Record<string, RegExp> = {
    nan: /^result: NaN becomes null in JSON$/,
    bigInt: /^result: JSON has no bigint$/,
    mapInList: /^result\.users\[0\]\.tags: a Map becomes/,
    throwingGetter: /^result\.total: it can't be read: no total yet$/,
  };
  for (const [job, path] of Object.entries(refusals)) {
    const outcome = await kept(job);
    assert.equal(outcome.kind, "not_serializable", job);
    assert.match((outcome as { message: string }).message, path);
  }
  assert.equal((await kept("large", 1024 * 1024 - 2)).kind, "done");
  assert.equal((await kept("large", 1024 * 1024 - 1)).kind, "too_large");
  assert.equal((await kept("large", 50_000_000)).kind, "too_large");
});

Deno.test("a result that nobody can get is not sent", async () => {
  await using thread = await TestThread.start({ verbosity: -1 });
  for (const fields of [{ result: false }, { id: undefined }, { id: "x" }]) {
    const text = message("./calculator.ts#sum", { args: [1, 2], ...fields });
    assert.deepEqual(await thread.run(text), {
      index: 0,
      kind: "done",
      id: undefined,
      outcome: undefined,
      shown: undefined,
    });
  }
});

Deno.test("a job that throws is tried again with its next attempt, then has failed", async () => {
  await using thread = await TestThread.start();
  for (const job of ["./failing.ts#throws", "./failing.ts#rejects"]) {
    const retry = await thread.run(message(job, { retries: 1 }));
    assert.ok(retry.kind === "retry", JSON.stringify(retry));
    assert.equal(decodeMessage(retry.message).attempt, 2);
    assert.ok(retry.delayMs >= 1000 && retry.delayMs <= 2500);
    assert.equal(retry.error.name, "RangeError");
    assert.match(retry.error.stack!, /failing\.ts/);

    const failed = await thread.run(retry.message);
    assert.ok(failed.kind === "failed", JSON.stringify(failed));
    assert.equal(failed.id, "p.1");
    assert.equal(decodeFailedEntry(failed.entry).attempts, 2);
    assert.equal(decodeOutcome(failed.outcome!).kind, "failed");
  }
  assert.deepEqual(await thread.failing("./failing.ts#throwsText"), {
    name: "Error",
    message: "just text",
  });
});

Deno.test("a job can say that it must not be tried again, or when", async () => {
  await using thread = await TestThread.start();
  const hopeless = await thread.run(message("./failing.ts#noRetry"));
  assert.equal(hopeless.kind, "failed");

  const text = message("./failing.ts#retryAfter", { args: [90], retries: 1 });
  const later = await thread.run(text);
  assert.ok(later.kind === "retry", JSON.stringify(later));
  assert.equal(later.delayMs, 90_000);
  const failed = await thread.run(later.message);
  assert.equal(failed.kind, "failed", "it used an attempt");
});

Deno.test("in fast mode nothing is tried again", async () => {
  await using thread = await TestThread.start({ fast: true });
  for (const job of ["throws", "rejects", "noRetry", "retryAfter"]) {
    const ended = await thread.run(
      message(`./failing.ts#${job}`, { args: [1] }),
    );
    assert.equal(ended.kind, "failed", job);
  }
});

Deno.test("a message that can't be read has failed, and its neighbours run", async () => {
  await using thread = await TestThread.start();
  const ended = await thread.all(thread.dispatch(
    "not json",
    '{"v":1,"job":"./calculator.ts#a.b.c"}',
    '{"v":2,"call":"./calculator.ts#sum"}',
    message("./calculator.ts#sum", { args: [1, 2] }),
  ));
  assert.deepEqual(ended.map(({ kind }) => kind), [
    "failed",
    "failed",
    "postponed",
    "done",
  ]);
  assert.ok(ended[0].kind === "failed");
  const { message: kept, error, attempts } = decodeFailedEntry(ended[0].entry);
  assert.deepEqual([kept, attempts], ["not json", 0]);
  assert.match(error.message, /Cannot read this message: it is not JSON/);
  assert.equal(error.stack, undefined);
});

Deno.test("a module that does not load is a failed attempt, and is reported as stale", async () => {
  await using thread = await TestThread.start();
  for (
    const [module, reason] of [
      ["./broken/syntax_error.ts", /syntax_error\.ts:2:14/],
      ["./throws_at_import.ts", /RangeError: no configuration/],
    ] as const
  ) {
    const error = await thread.failing(`${module}#sum`);
    assert.equal(error.name, "LoadError");
    assert.match(error.message, reason);
  }
  assert.deepEqual(thread.stale, [
    "./broken/syntax_error.ts",
    "./throws_at_import.ts",
  ]);
});

Deno.test("a module that is missing or not allowed is a failed attempt, and the next one looks again", async () => {
  await using thread = await TestThread.start();
  assert.match(
    (await thread.failing("./not_there.ts#sum")).message,
    /does not exist/,
  );
  assert.match(
    (await thread.failing("../../src/errors.ts#NoRetry")).message,
    /must lie below the root/,
  );
  assert.match(
    (await thread.failing("./calculator.ts#Calculator.multiply")).message,
    /make it static/,
  );
  assert.deepEqual(thread.stale, []);
});

Deno.test("a rule that can't be read is fatal, with one line", async () => {
  await using thread = await TestThread.start({
    allowImport: ["jobs.example"],
  });
  assert.match(thread.fatal!, /^Cannot allow imports from jobs\.example: .*$/);
});

Deno.test("a job that is cancelled while its module loads is not called", async () => {
  await using thread = await TestThread.start();
  const batch = thread.dispatch(
    message("./slow_module.ts#quick"),
    message("./slow_module.ts#quick", { id: "p.2" }),
  );
  await eventually(() => assert.equal(batch.slots[0], Slot.loading));
  thread.post({ kind: "cancelled", ids: ["p.1"], anew: false });
  const [first, second] = await thread.all(batch);
  assert.deepEqual(first, { index: 0, kind: "cancelled", id: "p.1" });
  assert.equal(second.kind, "done");
  // What ends twice would be reported twice.
  await thread.run(message("./calculator.ts#sum", { id: "p.3" }));
  assert.equal(thread.endedOf(batch).length, 2);
});
