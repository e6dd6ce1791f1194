import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { Slot } from "../../src/thread/protocol.ts";
import { message, type TestBatch, TestThread } from "./test_thread.ts";

/** Starts a job that waits for its abort, and waits until it runs. */
async function waiting(
  thread: TestThread,
  end: string,
  retries = 3,
): Promise<TestBatch> {
  const batch = thread.dispatch(
    message("./context.ts#untilAborted", { args: [end], retries }),
  );
  await eventually(() => batch.slots[0] === Slot.running);
  return batch;
}

Deno.test("each job finds itself, also after it waited beside others", async () => {
  await using thread = await TestThread.start();
  const names = ["p.1", "p.2", "p.3"];
  for (const job of ["whoAmI", "whoAmIStill"]) {
    const ended = await thread.all(thread.dispatch(
      ...names.map((id) => message(`./context.ts#${job}`, { id, attempt: 2 })),
    ));
    for (const [index, job] of ended.entries()) {
      assert.ok(job.kind === "done");
      const found = JSON.parse(job.outcome!);
      const own = `${names[index]} 2`;
      assert.deepEqual(found, typeof found === "string" ? own : [own, own]);
    }
  }
});

Deno.test("a job finds itself also if its function seldom returns a promise", async () => {
  await using thread = await TestThread.start({ concurrency: 3 });
  // Called often enough, and not among the first of their turn.
  const quick = Array(120).fill([false, "whoAmI"]);
  const quiet = Array(120).fill([false, "whoAmISometimes"]);
  const mixed = [
    [true, "whoAmISometimes"],
    [false, "whoAmI"],
    [true, "whoAmISometimes"],
    [false, "whoAmISometimes"],
    [false, "whoAmI"],
  ];
  for (const jobs of [quick, quiet, [...quick, ...mixed], mixed]) {
    const ended = await thread.all(thread.dispatch(
      ...jobs.map(([later, job], n) =>
        message(`./context.ts#${job}`, { id: `p.${n}`, args: [later] })
      ),
    ));
    for (const [n, job] of ended.entries()) {
      assert.ok(job.kind === "done", JSON.stringify(job));
      const own = `p.${n} 1`;
      assert.deepEqual(
        JSON.parse(job.outcome!),
        jobs[n][0] ? [own, own] : own,
      );
    }
  }
});

Deno.test("what a job leaves behind is outside a job once it has ended", async () => {
  await using thread = await TestThread.start();
  await thread.call("./context.ts#asksTooLate");
  assert.match(
    (await thread.call("./context.ts#whatItHeard"))!,
    /currentJob\(\) was called outside a job/,
  );
});

Deno.test("an abort reaches the signal of its job alone, with the reason", async () => {
  await using thread = await TestThread.start();
  const reasons = {
    ttl: "TtlExceededError: The attempt exceeded its ttl of 60 s",
    shutdown: "AbortError: The worker shuts down",
    lease: "AbortError: The worker lost its lease",
  };
  const other = await waiting(thread, "resolve");
  for (const [reason, text] of Object.entries(reasons)) {
    const batch = await waiting(thread, "resolve");
    thread.abort(batch, 0, reason as keyof typeof reasons);
    const [ended] = await thread.all(batch);
    assert.ok(ended.kind === "done", "who resolves is done");
    assert.equal(ended.outcome, JSON.stringify(text));
  }
  assert.equal(thread.endedOf(other).length, 0);
});

Deno.test("a job that rejects after an abort for shutdown or lease is handed back", async () => {
  await using thread = await TestThread.start();
  for (const reason of ["shutdown", "lease"] as const) {
    const batch = await waiting(thread, "reject");
    thread.abort(batch, 0, reason);
    thread.abort(batch, 0, "ttl");
    assert.deepEqual(await thread.all(batch), [
      { index: 0, kind: "released" },
    ]);
  }
});

Deno.test("a job that rejects after an abort for ttl has failed its attempt", async () => {
  await using thread = await TestThread.start();
  for (const [retries, kind] of [[1, "retry"], [0, "failed"]] as const) {
    const batch = await waiting(thread, "reject", retries);
    thread.abort(batch, 0, "ttl");
    const [ended] = await thread.all(batch);
    assert.ok(ended.kind === "retry" || ended.kind === "failed");
    assert.equal(ended.kind, kind);
    assert.deepEqual(ended.error, {
      name: "TtlExceededError",
      message: "The attempt exceeded its ttl of 60 s",
    });
  }
});

Deno.test("a job that ends for good after an abort has failed, whatever the reason", async () => {
  await using thread = await TestThread.start();
  for (const reason of ["shutdown", "ttl"] as const) {
    const batch = await waiting(thread, "NoRetry");
    thread.abort(batch, 0, reason);
    const [ended] = await thread.all(batch);
    assert.ok(ended.kind === "failed", JSON.stringify(ended));
    assert.equal(ended.error.message, "given up");
  }
});

Deno.test("in fast mode a job that rejects after an abort has failed", async () => {
  await using thread = await TestThread.start({ fast: true });
  const batch = await waiting(thread, "reject");
  thread.abort(batch, 0, "shutdown");
  assert.equal((await thread.all(batch))[0].kind, "failed");
});

Deno.test("an abort listener that throws fails its own job", async () => {
  await using thread = await TestThread.start();
  const batch = thread.dispatch(message("./context.ts#abortListenerThrows"));
  await eventually(() => batch.slots[0] === Slot.running);
  thread.abort(batch, 0, "ttl");
  const [ended] = await thread.all(batch);
  assert.ok(ended.kind === "retry", JSON.stringify(ended));
  assert.deepEqual(thread.warnings, []);
});

Deno.test("mqk:calculator#sumTimeout outlives its first ttl, and succeeds then", async () => {
  await using thread = await TestThread.start();
  const text = message("mqk:calculator#sumTimeout", { args: [1, 2], ttl: 1 });
  const batch = thread.dispatch(text);
  await eventually(() => batch.slots[0] === Slot.running);
  thread.abort(batch, 0, "ttl");
  const [first] = await thread.all(batch);
  assert.ok(first.kind === "retry", JSON.stringify(first));
  assert.equal(first.error.name, "TtlExceededError");
  const second = await thread.run(first.message);
  assert.ok(second.kind === "done" && second.outcome === "3");
});

Deno.test("job code reaches its worker's broker through the main thread", async () => {
  await using thread = await TestThread.start();
  const batch = thread.dispatch(
    message("./context.ts#enqueues", { args: ["high"] }),
  );
  await eventually(() => thread.calls.length === 1);
  const [{ call, verb, args }] = thread.calls;
  assert.equal(verb, "enqueue");
  assert.deepEqual(args, [[{ id: "p.7", queue: "high", message: "{}" }]]);
  thread.post({ kind: "answer", call, value: ["p.7"] });
  const [ended] = await thread.all(batch);
  assert.ok(ended.kind === "done");
  assert.equal(ended.outcome, '["p.7"]');
});

Deno.test("an error of the broker arrives in job code as itself", async () => {
  await using thread = await TestThread.start();
  const batch = thread.dispatch(
    message("./context.ts#enqueues", { args: ["high"] }),
  );
  await eventually(() => thread.calls.length === 1);
  thread.post({
    kind: "refusal",
    call: thread.calls[0].call,
    error: {
      name: "EnqueueUncertainError",
      message: "no reply",
      uncertain: ["p.7"],
    },
  });
  const [ended] = await thread.all(batch);
  assert.ok(ended.kind === "done");
  assert.deepEqual(JSON.parse(ended.outcome!), {
    name: "EnqueueUncertainError",
    message: "no reply",
    uncertain: ["p.7"],
  });
});

Deno.test("job code hears of outcomes until it stops to watch", async () => {
  await using thread = await TestThread.start();
  const batch = thread.dispatch(message("./context.ts#watches"));
  await eventually(() => thread.calls.length === 1);
  const [{ call, verb, args }] = thread.calls;
  assert.deepEqual([verb, ...args], ["watch", "default", "p", 1]);
  thread.post({ kind: "answer", call, value: undefined });
  thread.post({ kind: "changed", watch: 1, numbers: [4] });
  await eventually(() => thread.calls.length === 2);
  assert.deepEqual([thread.calls[1].verb, thread.calls[1].args], [
    "unwatch",
    [1],
  ]);
  thread.post({ kind: "answer", call: thread.calls[1].call, value: undefined });
  const [ended] = await thread.all(batch);
  assert.ok(ended.kind === "done" && ended.outcome === "[4]");
});
