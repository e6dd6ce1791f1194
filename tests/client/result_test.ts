import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import { parseHandle, printHandle } from "../../src/client/handle.ts";
import {
  ArgumentError,
  BrokerError,
  JobFailedError,
  ResultNotKeptError,
  ResultNotSerializableError,
  ResultTimeoutError,
  TtlExceededError,
} from "../../src/errors.ts";
import { errorData } from "../../src/job/outcome.ts";
import { eventually } from "../harness/eventually.ts";
import { onEachBroker, returned } from "./scene.ts";

const SUM = "mqk:calculator#sum";
const HOUR_MS = 3_600_000;

onEachBroker("a result comes to who waits for it", async (scene) => {
  const job = await scene.client.invoke(SUM, 1, 2);
  const result = job.result();
  assert.equal(await job.status(), "pending");
  await scene.end(returned({ sum: 3, "": [null, "ä\u0000😀"] }));
  assert.deepEqual(await result, { sum: 3, "": [null, "ä\u0000😀"] });
  assert.equal(await job.status(), "done");
});

onEachBroker("a result is there after the job has ended", async (scene) => {
  const job = await scene.client.invoke(SUM, 1, 2);
  await scene.end(returned(3));
  // Sooner than it would be read again.
  assert.equal(await job.result({ timeout: 3 }), 3);
  assert.equal(await job.result({ timeout: 3 }), 3);
});

onEachBroker("a job that returned nothing has undefined", async (scene) => {
  const job = await scene.client.invoke(SUM);
  const result = job.result();
  await scene.end(returned(undefined));
  assert.equal(await result, undefined);
  assert.equal(await job.result(), undefined);
});

onEachBroker("a handle makes the job again elsewhere", async (scene) => {
  const { handle, id } = await scene.client.invoke({ job: SUM, queue: "a.b" });
  await using elsewhere = connect(scene.dsn);
  const job = elsewhere.job<number>(handle);
  assert.equal(job.id, id);
  assert.equal(job.handle, handle);
  assert.equal(await job.status(), "pending");
  const result = job.result();
  await scene.end(returned(3), "a.b");
  assert.equal(await result, 3);
  assert.throws(() => elsewhere.job("no handle"), ArgumentError);
});

onEachBroker("a failed job rejects with its own error", async (scene) => {
  const job = await scene.client.invoke(SUM);
  const result = job.result();
  const thrown = new RangeError("too many\nlines");
  await scene.end({ kind: "failed", error: errorData(thrown), attempts: 4 });
  await assert.rejects(result, (error) => {
    assert.ok(error instanceof JobFailedError);
    assert.equal(error.jobId, job.id);
    assert.equal(error.attempts, 4);
    assert.match(error.message, /failed after 4 attempts: too many\nlines$/);
    const { name, message, stack } = error.cause as Error;
    assert.deepEqual(
      { name, message, stack },
      { name: thrown.name, message: thrown.message, stack: thrown.stack },
    );
    return error.cause instanceof Error;
  });
  assert.equal(await job.status(), "failed");
});

onEachBroker("a job that overran rejects with that as cause", async (scene) => {
  const job = await scene.client.invoke(SUM);
  const error = errorData(new TtlExceededError("longer than 1 s"));
  await scene.end({ kind: "failed", error, attempts: 1 });
  await assert.rejects(
    job.result(),
    (error) =>
      error instanceof JobFailedError &&
      error.cause instanceof TtlExceededError &&
      error.cause.message === "longer than 1 s",
  );
});

onEachBroker("a result that is not kept says why", async (scene) => {
  const [large, strange] = await scene.client.invokeMany([
    { job: SUM },
    { job: SUM },
  ]);
  await scene.end({ kind: "too_large", message: "2 MiB" });
  await scene.end({ kind: "not_serializable", message: "result: a Map" });
  await assert.rejects(
    large.result(),
    (error) =>
      error instanceof ResultNotKeptError && /2 MiB/.test(error.message),
  );
  await assert.rejects(
    strange.result(),
    (error) =>
      error instanceof ResultNotSerializableError &&
      /result: a Map/.test(error.message),
  );
  assert.equal(await large.status(), "done");
  assert.equal(await strange.status(), "done");
});

onEachBroker("result: false rejects at once, by handle too", async (scene) => {
  const job = await scene.client.invoke({ job: SUM, result: false });
  await assert.rejects(job.result(), ResultNotKeptError);
  await assert.rejects(
    scene.client.job(job.handle).result(),
    ResultNotKeptError,
  );
});

onEachBroker("no outcome in time, and the job goes on", async (scene) => {
  const job = await scene.client.invoke(SUM);
  for (const timeout of [0, 0.05]) {
    await assert.rejects(job.result({ timeout }), (error) => {
      assert.ok(error instanceof ResultTimeoutError);
      assert.match(
        error.message,
        new RegExp(`after ${timeout} s; it may still wait or run`),
      );
      return true;
    });
  }
  await scene.end(returned(3));
  assert.equal(await job.result({ timeout: Infinity }), 3);
  for (const timeout of [-1, NaN, "1" as unknown as number]) {
    await assert.rejects(job.result({ timeout }), ArgumentError);
  }
});

onEachBroker(
  "a job that nobody knows after an hour has expired",
  async (scene) => {
    const sent = await scene.client.invoke({ job: SUM, delay: 7200 });
    const fields = parseHandle(sent.handle);
    const ago = (ms: number) =>
      scene.client.job(
        printHandle({ ...fields, id: "other.1", dueMs: Date.now() - ms }),
      );
    assert.equal(await ago(HOUR_MS - 5000).status(), "pending");
    assert.equal(await ago(HOUR_MS + 5000).status(), "expired");
    await assert.rejects(
      ago(HOUR_MS + 5000).result({ timeout: Infinity }),
      (error) =>
        error instanceof ResultNotKeptError && /hour/.test(error.message),
    );
    // Its hour begins when it is due.
    assert.ok(fields.dueMs > Date.now() + 7100_000);
    assert.equal(await sent.status(), "pending");
  },
);

onEachBroker("a job that was seen pending has not expired", async (scene) => {
  const { handle } = await scene.client.invoke(SUM);
  const fields = parseHandle(handle);
  const dueMs = Date.now() - HOUR_MS + 300;
  const job = scene.client.job(printHandle({ ...fields, dueMs }));
  assert.equal(await job.status(), "pending");
  await eventually(() => Date.now() > dueMs + HOUR_MS);
  assert.equal(await job.status(), "pending");
  const result = job.result({ timeout: Infinity });
  await scene.end(returned(3));
  assert.equal(await result, 3);
});

onEachBroker("many wait, each for its own result", async (scene) => {
  const sent = await scene.client.invokeMany(
    Array.from({ length: 1500 }, (_, i) => ({ job: SUM, args: [i] })),
  );
  const results = Promise.all(sent.map((job) => job.result()));
  const again = Promise.all(sent.slice(0, 10).map((job) => job.result()));
  for (const count of [500, 1000]) {
    const reserved = await scene.reserve(count);
    const [{ worker, queue }] = reserved;
    await scene.broker.settle(
      worker,
      queue,
      reserved.map((job) => {
        const [number] = job.message.args;
        return job.settlement(returned({ number }));
      }),
    );
  }
  assert.deepEqual(
    await results,
    sent.map((_, number) => ({ number })),
  );
  assert.equal((await again).length, 10);
});

onEachBroker("a client that closes ends what waits", async (scene) => {
  await using client = connect(scene.dsn);
  const job = await client.invoke(SUM);
  const result = job.result({ timeout: Infinity });
  const rejected = assert.rejects(result, BrokerError);
  await job.status();
  await client.close();
  await rejected;
  await assert.rejects(job.result(), BrokerError);
  await assert.rejects(job.status(), BrokerError);
});
