import assert from "node:assert/strict";
import {
  type Batch,
  type Counts,
  type Settlement,
  WrongTypeError,
} from "../../src/broker/broker.ts";
import { RedisBroker } from "../../src/broker/redis/redis_broker.ts";
import { BrokerError } from "../../src/errors.ts";
import { RedisServer } from "../harness/redis_server.ts";

const REQUEST = { limit: 10, bytes: 10_000, known: 0, idle: true };

function open(server: RedisServer): Promise<RedisBroker> {
  return RedisBroker.open({ kind: "redis", url: server.url });
}

async function push(broker: RedisBroker, ...messages: string[]): Promise<void> {
  await broker.enqueue(
    messages.map((message, n) => ({ id: `p.${n}`, queue: "q", message })),
  );
}

function reserve(broker: RedisBroker, worker: string): Promise<Batch> {
  return broker.reserve(worker, "q", REQUEST);
}

/** The counts that are not zero. */
async function counts(broker: RedisBroker): Promise<Partial<Counts>> {
  const [all] = await broker.counts(["q"]);
  return Object.fromEntries(
    Object.entries(all).filter(([, count]) => count !== 0),
  );
}

interface Case {
  /** What is done when its destination can't be written. */
  readonly verb: string;
  readonly destination: string;
  /** Brings a job where it is taken from; answers with what takes it. */
  prepare(broker: RedisBroker): Promise<() => Promise<unknown>>;
  /** Where it must be as long as the destination can't be written. */
  readonly before: Partial<Counts>;
  readonly after: Partial<Counts>;
}

function settling(
  destination: string,
  settlement: (token: string) => Settlement,
  after: Partial<Counts>,
): Case {
  return {
    verb: "settle",
    destination,
    async prepare(broker) {
      await push(broker, "job");
      const { tokens: [token] } = await reserve(broker, "w");
      return () => broker.settle("w", "q", [settlement(token)]);
    },
    before: { held: 1 },
    after,
  };
}

const CASES: readonly Case[] = [
  settling("retry", (token) => (
    { kind: "retry", token, message: "again", delayMs: 60_000 }
  ), { retry: 1 }),
  settling("lone", (token) => (
    { kind: "retry", token, message: "again", delayMs: 60_000, alone: true }
  ), { retry: 1 }),
  settling("failed", (token) => (
    { kind: "failed", token, entry: "failed" }
  ), { failed: 1 }),
  settling("results:p.0", (token) => (
    { kind: "done", token, id: "p.0", outcome: "1" }
  ), {}),
  settling("buckets", (token) => (
    { kind: "done", token, id: "p.0", outcome: "1" }
  ), {}),
  {
    verb: "release",
    destination: "ready",
    async prepare(broker) {
      await push(broker, "job");
      const { tokens } = await reserve(broker, "w");
      return () => broker.release("w", "q", tokens);
    },
    before: { held: 1 },
    after: { ready: 1 },
  },
  {
    verb: "recover",
    destination: "suspect",
    async prepare(broker) {
      await push(broker, "job");
      await reserve(broker, "w");
      return () => broker.recover("w", "q", "replaced");
    },
    before: { held: 1 },
    after: { suspect: 1 },
  },
  {
    verb: "recover",
    destination: "crashed",
    async prepare(broker) {
      await push(broker, "job");
      await reserve(broker, "first");
      await broker.recover("first", "q", "replaced");
      const { tokens } = await reserve(broker, "w");
      await broker.begin("w", "q", tokens[0]);
      return () => broker.recover("w", "q", "replaced");
    },
    before: { held: 1 },
    after: { crashed: 1 },
  },
  {
    verb: "reap",
    destination: "ready",
    async prepare(broker) {
      await broker.enqueue([
        { id: "p.0", queue: "q", message: "job", atMs: 1 },
      ]);
      return () => broker.reap("q");
    },
    before: { scheduled: 1 },
    after: { ready: 1 },
  },
  {
    verb: "reserve",
    destination: "held:w",
    async prepare(broker) {
      await push(broker, "job");
      return () => reserve(broker, "w");
    },
    before: { ready: 1 },
    after: { held: 1 },
  },
  {
    verb: "reserve",
    destination: "suspect",
    async prepare(broker) {
      await push(broker, "job");
      return () => broker.reserve("w", "q", { ...REQUEST, idle: false });
    },
    before: { ready: 1 },
    after: { held: 1 },
  },
  {
    verb: "settle, after a retry,",
    destination: "failed",
    async prepare(broker) {
      await push(broker, "a", "b");
      const { tokens: [a, b] } = await reserve(broker, "w");
      return () =>
        broker.settle("w", "q", [
          { kind: "retry", token: a, message: "a", delayMs: 60_000 },
          { kind: "failed", token: b, entry: "b" },
        ]);
    },
    before: { held: 2 },
    after: { retry: 1, failed: 1 },
  },
  {
    verb: "recover, after a crashed one,",
    destination: "suspect",
    async prepare(broker) {
      await push(broker, "a", "b");
      await broker.reserve("first", "q", { ...REQUEST, limit: 1 });
      await broker.recover("first", "q", "replaced");
      const { tokens } = await reserve(broker, "w");
      await broker.begin("w", "q", tokens[0]);
      await broker.reserve("w", "q", { ...REQUEST, known: 1 });
      return () => broker.recover("w", "q", "replaced");
    },
    before: { held: 2 },
    after: { suspect: 1, crashed: 1 },
  },
];

Deno.test("redis: no verb loses a job when its destination holds a foreign value", async (t) => {
  await using server = await RedisServer.start();
  for (const { verb, destination, prepare, before, after } of CASES) {
    await t.step(`${verb} to ${destination}`, async () => {
      await server.call("FLUSHALL");
      await using broker = await open(server);
      const act = await prepare(broker);
      const key = `mqk:{q}:${destination}`;
      await server.call("SET", key, "foreign");
      await assert.rejects(act(), (error) => {
        assert.ok(error instanceof WrongTypeError);
        assert.ok(error.message.includes(key), error.message);
        assert.match(
          error.message,
          /must be a (list|hash|zset), but .* string/,
        );
        return true;
      });
      await server.call("DEL", key);
      assert.deepEqual(await counts(broker), before);
      await act();
      assert.deepEqual(await counts(broker), after);
    });
  }
});

Deno.test("redis: a server at its memory limit refuses new jobs and is drained", async () => {
  await using server = await RedisServer.start();
  await using broker = await RedisBroker.open(
    { kind: "redis", url: server.url },
    { limits: { messageBytes: 100 } },
  );
  await push(broker, "a", "b", "c", "d", "e", "f");
  await broker.enqueue([
    { id: "p.8", queue: "large", message: "x".repeat(101) },
  ]);
  await broker.enqueue([{ id: "p.9", queue: "q", message: "due", atMs: 1 }]);
  await server.call("CONFIG", "SET", "maxmemory", "1");

  for (
    const entry of [
      { id: "p.10", queue: "q", message: "new" },
      { id: "p.11", queue: "q", message: "new", delayMs: 1000 },
      { id: "p.12", queue: "q", message: "new", idempotencyKey: "key" },
      { id: "p.13", queue: "another", message: "new" },
    ]
  ) {
    await assert.rejects(broker.enqueue([entry]), (error) => {
      assert.ok(error instanceof BrokerError);
      assert.match(error.message, /^Cannot .*OOM|^No job was stored: .*OOM/);
      return true;
    });
  }

  await broker.register(["q"]);
  const { tokens } = await reserve(broker, "w");
  assert.equal(tokens.length, 6);
  assert.deepEqual(await broker.renew("w", ["q"]), [
    { held: 6, schema: 2, cancels: 0 },
  ]);
  const settled = await broker.settle("w", "q", [
    { kind: "done", token: tokens[0], id: "p.0", outcome: "1" },
    { kind: "retry", token: tokens[1], message: "b", delayMs: 60_000 },
    { kind: "failed", token: tokens[2], entry: "c", id: "p.2", outcome: "!" },
  ]);
  assert.equal(settled, 3);
  await broker.release("w", "q", [tokens[3]]);
  await broker.recover("w", "q", "replaced");
  await broker.reap("q");
  await broker.pass("q");
  assert.deepEqual(await counts(broker), {
    ready: 2,
    suspect: 2,
    retry: 1,
    failed: 1,
  });
  const suspect = await reserve(broker, "w2");
  assert.equal(suspect.kind, "suspect");
  await broker.begin("w2", "q", suspect.tokens[0]);
  assert.deepEqual((await broker.take("q", 10, 1000)).messages, [
    "d",
    "due",
    "f",
  ]);
  assert.deepEqual((await broker.take("large", 10, 1000)).messages, []);
  assert.equal((await broker.counts(["large"]))[0].failed, 1);
  await broker.record("q", [{ id: "p.5", outcome: "5" }]);
  assert.deepEqual(await broker.results("q", ["p.0", "p.5"]), ["1", "5"]);
});
