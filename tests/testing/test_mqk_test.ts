import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  ArgumentError,
  BrokerError,
  connect,
  currentJob,
  invoke,
  invokeMany,
  JobFailedError,
  jobs,
  type Middleware,
  ResultNotKeptError,
  TtlExceededError,
} from "../../mod.ts";
import { type TestMqk, testMqk, type TestOptions } from "../../testing.ts";
import { eventually } from "../harness/eventually.ts";
import { ran } from "./jobs/orders.ts";

const ROOT = fileURLToPath(new URL("./jobs", import.meta.url));
/** Made before any test, as a program does at its top level. */
const orders = jobs<typeof import("./jobs/orders.ts")>("./orders.ts");

function open(options: TestOptions = {}): TestMqk {
  ran.length = 0;
  return testMqk({ root: ROOT, ...options });
}

Deno.test("what is sent is collected, with its arguments and policy, and does not run", async () => {
  const now = new Date("2030-01-01T00:00:00Z");
  await using mqk = open({ now });
  await orders.note("a");
  const at = new Date("2030-01-02T00:00:00Z");
  const spec = { job: "./orders.ts#note", queue: "high", ttl: 5, retries: 1 };
  const job = await invoke({ ...spec, at, backoff: { fixed: 3 } }, "b");
  const [first, second] = mqk.jobs();
  assert.equal(mqk.jobs().length, 2);
  assert.deepEqual(
    [first.reference, first.args, first.queue, first.ttl, first.retries],
    ["./orders.ts#note", ["a"], "default", 60, 3],
  );
  assert.deepEqual(first.dueAt, now);
  assert.deepEqual(second, {
    id: job.id,
    handle: job.handle,
    reference: "./orders.ts#note",
    args: ["b"],
    queue: "high",
    dueAt: at,
    ttl: 5,
    retries: 1,
    backoff: { fixed: 3 },
    result: true,
  });
  assert.equal(await job.status(), "pending");
  assert.deepEqual(mqk.jobs("./orders.ts#other"), []);
  assert.deepEqual(ran, []);
});

Deno.test("run runs what is due, in order, in this process, and its results are kept", async () => {
  await using mqk = open();
  const sent = await invokeMany(
    ["a", "b"].map((name) => ({ job: "./orders.ts#note", args: [name] })),
  );
  await mqk.run();
  assert.deepEqual(ran, ["a", "b"]);
  assert.deepEqual(await Promise.all(sent.map((job) => job.result())), [1, 2]);
  const [{ handle }] = mqk.jobs();
  assert.equal(await mqk.client.job(handle).status(), "done");
});

Deno.test("a job knows itself while it runs, and nobody does outside", async () => {
  await using mqk = open();
  const job = await orders.seen();
  await mqk.run();
  assert.deepEqual(await job.result(), { id: job.id, attempt: 1, same: true });
  assert.throws(() => currentJob(), /outside a job/);
});

Deno.test("what JSON would change is refused, as without a test", async () => {
  await using mqk = open();
  await assert.rejects(invoke("./orders.ts#note", new Date()), ArgumentError);
  assert.deepEqual(mqk.jobs(), []);
});

Deno.test("a retry runs when the clock has passed its backoff, not before", async () => {
  await using mqk = open();
  const spec = { job: "./orders.ts#failsUntil", backoff: { fixed: 10 } };
  const job = await invoke(spec, 3, "x");
  await mqk.run();
  assert.deepEqual(ran, ["x 1"]);
  await mqk.advance(9.999);
  assert.deepEqual(ran, ["x 1"]);
  await mqk.advance(0.001);
  assert.deepEqual(ran, ["x 1", "x 2"]);
  assert.equal(await job.status(), "pending");
  await mqk.advance(10);
  assert.equal(await job.result(), "x");
});

Deno.test("one advance runs all that becomes due on the way, each at its time", async () => {
  await using mqk = open();
  const started = mqk.now.getTime();
  const spec = { job: "./orders.ts#failsUntil", backoff: { fixed: 20 } };
  await invoke(spec, 9, "x");
  await invoke({ job: "./orders.ts#note", delay: 30 }, "after 30");
  await invoke({ job: "./orders.ts#note", delay: 10 }, "after 10");
  await invoke({ job: "./orders.ts#note", delay: 9000 }, "later");
  await mqk.advance(100);
  assert.deepEqual(
    ran,
    ["x 1", "after 10", "x 2", "after 30", "x 3", "x 4"],
  );
  assert.equal(mqk.now.getTime(), started + 100_000);
  const [failed, ...others] = await mqk.failed();
  assert.deepEqual(others, []);
  assert.deepEqual(
    [failed.reference, failed.args, failed.queue, failed.attempts],
    ["./orders.ts#failsUntil", [9, "x"], "default", 4],
  );
  assert.equal(failed.error.name, "TypeError");
  assert.equal(failed.error.message, "attempt 4");
  assert.equal(failed.failedAt.getTime(), started + 60_000);
});

Deno.test("a job that fails for good rejects its result with what it threw", async () => {
  await using mqk = open();
  const job = await orders.neverAgain();
  await mqk.run();
  assert.equal(await job.status(), "failed");
  await assert.rejects(
    job.result(),
    (error) => error instanceof JobFailedError && error.attempts === 1,
  );
  assert.equal((await mqk.failed())[0].id, job.id);
});

Deno.test("a module that can't be found is the job's failure", async () => {
  await using mqk = open();
  await invoke({ job: "./no_such.ts#job", retries: 0 });
  await mqk.run();
  assert.match((await mqk.failed())[0].error.message, /no_such.ts does not/);
});

Deno.test("RetryAfter chooses when, by the clock of the test", async () => {
  await using mqk = open();
  const job = await orders.comesBack(500);
  await mqk.run();
  await mqk.advance(499);
  assert.equal(await job.status(), "pending");
  await mqk.advance(1);
  assert.equal(await job.result(), 2);
});

Deno.test("a result expires after an hour, by the clock of the test", async () => {
  await using mqk = open({ inline: true, now: new Date("2000-01-01") });
  const job = await orders.note("a");
  await mqk.advance(3599);
  assert.equal(await job.status(), "done");
  await mqk.advance(2);
  assert.equal(await job.status(), "expired");
  await assert.rejects(job.result(), ResultNotKeptError);
});

Deno.test("jobs send jobs, and may wait for them", async () => {
  await using mqk = open();
  const job = await orders.sendsMore(5, "d");
  await mqk.run();
  assert.equal(await job.result(), 5);
  assert.equal(mqk.jobs("./orders.ts#sendsMore").length, 6);
});

Deno.test("run does not end before what a job sent without waiting has run", async () => {
  await using mqk = open();
  await orders.sendsAndForgets("z");
  await mqk.run();
  assert.deepEqual(ran, ["z"]);
});

Deno.test("run runs what code under test is sending and does not wait for", async () => {
  await using mqk = open();
  void orders.note("unawaited");
  await mqk.run();
  assert.deepEqual(ran, ["unawaited"]);
});

Deno.test("inline, a call resolves when its job, and all that it sends, has run", async () => {
  await using mqk = open({ inline: true });
  await orders.sendsMore(3, "i");
  assert.deepEqual(ran, ["i 3", "i 2", "i 1", "i 0"]);
  await Promise.all([orders.note("a"), orders.note("b")]);
  assert.deepEqual(ran.slice(4), ["a", "b"]);
  const job = await orders.comesBack(10);
  assert.equal(await job.status(), "pending");
  await mqk.advance(10);
  assert.equal(await job.status(), "done");
});

Deno.test("a job with a key is sent once a day, by the clock of the test", async () => {
  await using mqk = open();
  const spec = { job: "./orders.ts#note", idempotencyKey: "k" };
  const first = await invoke(spec, "a");
  assert.equal((await invoke(spec, "b")).id, first.id);
  assert.deepEqual(mqk.jobs().map(({ args }) => args), [["a"]]);
  assert.equal(mqk.jobs()[0].idempotencyKey, "k");
  await mqk.advance(86_401);
  assert.notEqual((await invoke(spec, "c")).id, first.id);
  await mqk.run();
  assert.deepEqual(ran, ["a", "c"]);
});

Deno.test("a running job meets its ttl when the clock passes it, and is tried again", async () => {
  await using mqk = open();
  const spec = { job: "./orders.ts#untilAborted", ttl: 10, retries: 1 };
  const job = await invoke({ ...spec, backoff: { fixed: 5 } }, "t");
  const running = mqk.run();
  await mqk.advance(9);
  assert.deepEqual(ran, ["t 1"]);
  await mqk.advance(2);
  await running;
  assert.equal(await job.status(), "pending");
  // The retry is due at 15: 10 for the ttl and 5 for the backoff.
  const again = mqk.advance(4);
  await eventually(() => assert.deepEqual(ran, ["t 1", "t 2"]));
  await mqk.advance(10);
  await again;
  await assert.rejects(job.result(), (error: Error) => {
    assert.ok(error.cause instanceof TtlExceededError);
    return true;
  });
});

Deno.test("connect() without a DSN is redirected too; with one it is not", async () => {
  await using mqk = open();
  await using client = connect();
  await client.invoke("./orders.ts#note", "c");
  assert.equal(mqk.jobs().length, 1);
  await using elsewhere = connect("redis://127.0.0.1:1");
  await assert.rejects(elsewhere.invoke("./orders.ts#note", "d"), BrokerError);
});

Deno.test("several can live at once, each with its own client, jobs and clock", async () => {
  ran.length = 0;
  await using a = open({ standalone: true });
  await using b = open({ standalone: true });
  const spec = { job: "./orders.ts#sendsMore", delay: 60 };
  await a.client.invoke(spec, 2, "a");
  await b.client.invoke(spec, 1, "b");
  await Promise.all([a.advance(60), b.advance(59)]);
  assert.deepEqual(ran, ["a 2", "a 1", "a 0"]);
  await b.advance(1);
  assert.deepEqual([a.jobs().length, b.jobs().length], [3, 2]);
});

Deno.test("a second one is refused while the first has invoke()", async () => {
  {
    await using _first = open();
    assert.throws(() => open(), /Cannot redirect invoke\(\) to two testMqk/);
    await using _beside = open({ standalone: true });
  }
  await using _second = open();
});

Deno.test("a bare name is looked up in the modules that are named", async () => {
  await using mqk = open({ modules: ["./orders.ts"] });
  const job = await invoke("note", "bare");
  await mqk.run();
  assert.equal(await job.result(), 1);
});

Deno.test("middleware runs around jobs, the first outermost", async () => {
  const around = (name: string): Middleware => async ({ queue }, next) => {
    ran.push(`before ${name} ${queue}`);
    return [await next(), name];
  };
  await using mqk = open({ use: [around("a"), around("b")] });
  const job = await orders.note("job");
  await mqk.run();
  assert.deepEqual(ran, ["before a default", "before b default", "job"]);
  assert.deepEqual(await job.result(), [[3, "b"], "a"]);
});

Deno.test("a wrong root or time is refused in words", async () => {
  assert.throws(() => testMqk({ root: "/no/such" }), ArgumentError);
  await using mqk = open();
  await assert.rejects(mqk.advance(-1), /Cannot advance by -1/);
});

Deno.test("a job that still runs when its test ends is told to stop", async () => {
  let running: Promise<void>;
  {
    await using mqk = open();
    await orders.untilAborted("u");
    running = mqk.run();
    await mqk.advance(1);
    assert.deepEqual(ran, ["u 1"]);
  }
  await running;
});
