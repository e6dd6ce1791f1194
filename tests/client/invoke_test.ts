import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import { ArgumentError, BrokerError } from "../../src/errors.ts";
import type { JobSpec } from "../../src/job/policy.ts";
import { freePort } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";
import { onEachBroker, returned } from "./scene.ts";

const SUM = "mqk:calculator#sum";
/** Nobody listens there, so that what is not refused before fails otherwise. */
const NOWHERE = "redis://127.0.0.1:1";

onEachBroker("a job is stored with its arguments", async (scene) => {
  const job = await scene.client.invoke(SUM, 1, { to: "ä😀" }, [null, true]);
  const [{ text, message }] = await scene.reserve(1);
  assert.match(job.id, /^[0-9A-Za-z]{10}\.0$/);
  assert.equal(message.id, job.id);
  assert.equal(message.job, SUM);
  assert.deepEqual(message.args, [1, { to: "ä😀" }, [null, true]]);
  // Defaults cost no memory.
  assert.deepEqual(
    Object.keys(JSON.parse(text)),
    ["v", "id", "job", "args", "sent"],
  );
  assert.ok(Math.abs(Date.now() - message.sentMs!) < 60_000);
});

onEachBroker("a policy is stored with its job", async (scene) => {
  await scene.client.invoke({
    job: "./jobs/mail.ts#send",
    queue: "high",
    ttl: 10,
    retries: 5,
    backoff: { fixed: 2 },
    result: false,
  }, "a@example.com");
  const [{ message }] = await scene.reserve(1, "high");
  const { ttl, retries, backoff, result } = message;
  assert.deepEqual(
    { ttl, retries, backoff, result },
    { ttl: 10, retries: 5, backoff: { fixed: 2 }, result: false },
  );
});

onEachBroker("a delayed job waits until it is due", async (scene) => {
  const at = new Date(Date.now() + 400);
  await scene.client.invoke({ job: SUM, delay: 0.4 }, 1, 1);
  await scene.client.invoke({ job: SUM, at }, 2, 2);
  const [counts] = await scene.broker.counts(["default"]);
  assert.equal(counts.ready, 0);
  assert.equal(counts.scheduled, 2);
  const due = (async () => {
    while ((await scene.broker.counts(["default"]))[0].ready < 2) {
      await scene.broker.reap("default");
    }
  })();
  await due;
  assert.ok(Date.now() >= at.getTime());
});

onEachBroker("many jobs are stored at once, in their order", async (scene) => {
  const numbers = Array.from({ length: 2500 }, (_, i) => i);
  const sent = await scene.client.invokeMany(
    numbers.map((i) => ({ job: SUM, args: [i, i] })),
  );
  const reserved = [
    ...await scene.reserve(1000),
    ...await scene.reserve(1000),
    ...await scene.reserve(500),
  ];
  assert.deepEqual(
    reserved.map(({ message }) => message.id),
    sent.map(({ id }) => id),
  );
  assert.deepEqual(
    reserved.map(({ message }) => message.args),
    numbers.map((i) => [i, i]),
  );
});

onEachBroker("calls at the same time are all stored, once", async (scene) => {
  const loops = Array.from({ length: 20 }, async () => {
    const ids = [];
    for (let i = 0; i < 50; i++) {
      ids.push((await scene.client.invoke(SUM, 1, 2)).id);
    }
    return ids;
  });
  const sent = (await Promise.all(loops)).flat();
  const stored = await scene.reserve(1000);
  assert.equal(new Set(sent).size, 1000);
  assert.deepEqual(
    stored.map(({ message }) => message.id).sort(),
    sent.sort(),
  );
  assert.equal((await scene.broker.counts(["default"]))[0].ready, 0);
});

onEachBroker("an idempotency key stores one job on a queue", async (scene) => {
  const spec: JobSpec = { job: SUM, idempotencyKey: "order-7" };
  const first = await scene.client.invoke(spec, 1, 2);
  const [second, other] = await scene.client.invokeMany([
    { ...spec, args: [3, 4] },
    { ...spec, queue: "high", args: [5, 6] },
  ]);
  assert.equal(second.id, first.id);
  assert.notEqual(other.id, first.id);
  await scene.end(returned(3));
  assert.equal(await second.result(), 3);
  const [counts] = await scene.broker.counts(["default"]);
  assert.equal(counts.ready, 0);
});

onEachBroker(
  "functions of a module send jobs under a policy",
  async (scene) => {
    type Mail = typeof import("./fixtures/mail.ts");
    const mail = scene.client.jobs<Mail>("./jobs/mail.ts", { retries: 7 });
    await mail.send("a@example.com");
    await mail.Folder.count("inbox");
    await mail.default(1);
    const [send, count, whole] = await scene.reserve(3);
    assert.equal(send.message.job, "./jobs/mail.ts#send");
    assert.deepEqual(send.message.args, ["a@example.com"]);
    assert.equal(send.message.retries, 7);
    assert.equal(count.message.job, "./jobs/mail.ts#Folder.count");
    assert.equal(whole.message.job, "./jobs/mail.ts#");
  },
);

Deno.test("jobs of a module can be awaited, bound and destructured", async () => {
  await using client = connect(NOWHERE);
  type Mail = typeof import("./fixtures/mail.ts");
  // If `then` were a job, this would not return.
  const mail = await Promise.resolve(client.jobs<Mail>("./jobs/mail.ts"));
  const { send } = mail;
  assert.equal(send, mail.send);
  assert.equal(typeof send.bind(null, "a@example.com"), "function");
  await assert.rejects(send.call(null, NaN as never), ArgumentError);
});

Deno.test("what is wrong is refused before anything is sent", async () => {
  await using client = connect(NOWHERE);
  const half = "x".repeat(600 * 1024);
  const refused: [RegExp, JobSpec | string, ...unknown[]][] = [
    [/^Cannot send args\[1\]\.when: a Date/, SUM, 1, { when: new Date() }],
    [/empty reference/, ""],
    [/at most two levels/, "x.ts#a.b.c"],
    [/"" is not the name of an export/, "x.ts#a."],
    [/ttl 0/, { job: SUM, ttl: 0 }],
    [/retries -1/, { job: SUM, retries: -1 }],
    [/delay "1"/, { job: SUM, delay: "1" as unknown as number }],
    [/both delay and at/, { job: SUM, delay: 1, at: new Date() }],
    [/valid Date/, { job: SUM, at: new Date(NaN) }],
    [/queue name "a}b"/, { job: SUM, queue: "a}b" }],
    [/idempotency key "a b"/, { job: SUM, idempotencyKey: "a b" }],
    [/backoff/, { job: SUM, backoff: "linear" as "exponential" }],
    [/must be at most 1048576/, SUM, half, half],
    [/message of 1050\d\d\d bytes/, SUM, "ä".repeat(525_000)],
    [/<module>#<export>/, 7 as unknown as string],
    [/<module>#<export>/, null as unknown as string],
  ];
  for (const [message, target, ...args] of refused) {
    await assert.rejects(client.invoke(target, ...args), (error) => {
      assert.ok(error instanceof ArgumentError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(() => client.jobs("./x.ts", { ttl: -1 }), ArgumentError);
});

onEachBroker("one wrong call among many, and none is stored", async (scene) => {
  await assert.rejects(
    scene.client.invokeMany([
      { job: SUM, args: [1, 2] },
      { job: SUM, args: [1, 2n] },
    ]),
    new ArgumentError("Cannot send args[1]: JSON has no bigint"),
  );
  assert.deepEqual(await scene.client.invokeMany([]), []);
  assert.equal((await scene.broker.counts(["default"]))[0].ready, 0);
});

onEachBroker("a message of exactly 1 MiB is stored", async (scene) => {
  const job = await scene.client.invoke("f", "");
  const [{ text }] = await scene.reserve(1);
  const room = 1024 * 1024 - text.length;
  await scene.client.invoke("f", "x".repeat(room));
  await assert.rejects(
    scene.client.invoke("f", "x".repeat(room + 1)),
    /message of 1048577 bytes/,
  );
  assert.ok(job.id.endsWith(".0"));
});

onEachBroker("arguments are those of the moment of the call", async (scene) => {
  const list = [1];
  const sent = scene.client.invoke(SUM, list);
  list.push(2);
  await sent;
  const [{ message }] = await scene.reserve(1);
  assert.deepEqual(message.args, [[1]]);
});

Deno.test("a bad DSN is refused by connect, without its password", () => {
  assert.throws(
    () => connect("amqp://user:secret@host"),
    (error) =>
      error instanceof ArgumentError && /amqp/.test(error.message) &&
      !/secret/.test(error.message),
  );
});

Deno.test("a port that refuses is a BrokerError, each time", async () => {
  await using client = connect(`redis://user:secret@127.0.0.1:${freePort()}`);
  for (const _ of [1, 2]) {
    await assert.rejects(client.invoke(SUM, 1, 2), (error) => {
      assert.ok(error instanceof BrokerError, String(error));
      assert.match(error.message, /Cannot reach Redis at 127\.0\.0\.1/);
      assert.doesNotMatch(Deno.inspect(error), /secret/);
      return true;
    });
  }
});

Deno.test("a file that is no database is a BrokerError", async () => {
  await using folder = new TempDir();
  const path = folder.write("queue.sqlite", "no database".repeat(1000));
  await using client = connect(`sqlite:${path}`);
  await assert.rejects(client.invoke(SUM, 1, 2), BrokerError);
});

onEachBroker("closing waits for what was sent", async (scene) => {
  const client = connect(scene.dsn);
  const sent = client.invoke(SUM, 1, 2);
  const many = client.invokeMany(Array(3000).fill({ job: SUM, args: [1, 2] }));
  await client.close();
  await sent;
  await many;
  assert.equal((await scene.broker.counts(["default"]))[0].ready, 3001);
  await client.close();
  await assert.rejects(client.invoke(SUM, 1, 2), BrokerError);
});
