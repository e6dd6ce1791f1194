/**
 * What callers see of a Redis server that is suspended, killed, full, or
 * forgets.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import {
  BrokerError,
  EnqueueUncertainError,
  ResultNotKeptError,
  ResultTimeoutError,
} from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { returned, Scene } from "./scene.ts";

const SUM = "mqk:calculator#sum";

Deno.test("a server that stops answering leaves jobs uncertain within 6 s", async () => {
  await using redis = await RedisServer.start();
  await using scene = await Scene.open(redis.dsn);
  const { id } = await scene.client.invoke(SUM, 1, 2);
  const [producer] = id.split(".");
  redis.pause();
  const startMs = performance.now();
  const calls = await Promise.allSettled([
    scene.client.invoke(SUM, 1, 2),
    scene.client.invokeMany([{ job: SUM }, { job: SUM }]),
  ]) as PromiseRejectedResult[];
  assert.ok(performance.now() - startMs < 6000);
  const uncertain = calls.map(({ reason }) => {
    assert.ok(reason instanceof EnqueueUncertainError, String(reason));
    assert.deepEqual(reason.confirmed, []);
    return reason.uncertain;
  });
  assert.deepEqual(uncertain, [[`${producer}.1`], [
    `${producer}.2`,
    `${producer}.3`,
  ]]);
  redis.resume();
  // It was only late: what was uncertain is stored after all, once.
  const stored = await scene.reserve(4);
  assert.deepEqual(
    stored.map(({ message }) => message.id).sort(),
    [0, 1, 2, 3].map((n) => `${producer}.${n}`),
  );
  await scene.client.invoke(SUM, 1, 2);
});

Deno.test("a result survives that the server is killed meanwhile", async () => {
  await using redis = await RedisServer.start({ aof: true });
  await using scene = await Scene.open(redis.dsn);
  const sent = await scene.client.invokeMany([{ job: SUM }, { job: SUM }]);
  const results = Promise.all(sent.map((job) => job.result()));
  await eventually(() => subscribers(redis, sent[0].id));
  const [first, second] = await scene.reserve(2);
  await redis.kill();
  await redis.restart();
  await eventually(() => first.end(returned(1)));
  await second.end(returned(2));
  assert.deepEqual(await results, [1, 2]);
});

Deno.test("a result that is stored while nobody hears is found again", async () => {
  await using redis = await RedisServer.start();
  await using scene = await Scene.open(redis.dsn);
  const job = await scene.client.invoke(SUM);
  const result = job.result();
  await eventually(() => subscribers(redis, job.id));
  const [reserved] = await scene.reserve(1);
  // In one step: no event reaches the client, whose connections are cut.
  await redis.call("MULTI");
  await redis.call("CLIENT", "KILL", "TYPE", "pubsub");
  const [producer, n] = job.id.split(".");
  await redis.call("HSET", `mqk:{default}:results:${producer}.0`, n, "3");
  await redis.call("EXEC");
  assert.equal(await result, 3);
  await reserved.end(returned(3));
});

Deno.test("without a server a wait ends with its timeout and says why", async () => {
  await using redis = await RedisServer.start();
  await using scene = await Scene.open(redis.dsn);
  const job = await scene.client.invoke(SUM);
  await job.status();
  await redis.stop();
  await assert.rejects(job.result({ timeout: 0.5 }), (error) => {
    assert.ok(error instanceof ResultTimeoutError, String(error));
    assert.match(error.message, /broker does not answer/);
    return error.cause !== undefined;
  });
  await using late = connect(redis.dsn);
  for (const client of [scene.client, late]) {
    await assert.rejects(client.invoke(SUM), BrokerError);
  }
  await redis.restart();
  // The next call tries again, also if it never was connected.
  for (const client of [scene.client, late]) await client.invoke(SUM);
});

Deno.test("any number of waiters share one subscription", async () => {
  await using redis = await RedisServer.start();
  await using scene = await Scene.open(redis.dsn);
  const sent = await scene.client.invokeMany(Array(200).fill({ job: SUM }));
  const results = Promise.all(sent.map((job) => job.result()));
  await eventually(() => subscribers(redis, sent[0].id));
  const channels = await redis.call("PUBSUB", "CHANNELS", "*");
  assert.equal((channels as string[]).length, 1);
  const stats = String(await redis.call("INFO", "commandstats"));
  assert.match(stats, /cmdstat_subscribe:calls=1,/);
  // 200 jobs lie in two or three buckets: one command each.
  const [, reads] = /cmdstat_hmget:calls=(\d+),/.exec(stats) ?? [];
  assert.ok(Number(reads) <= 3, `${reads} reads`);
  for (const job of await scene.reserve(200)) await job.end(returned(1));
  await results;
  // Soon nobody waits, and events would be for nothing.
  await eventually(async () => !await subscribers(redis, sent[0].id));
});

Deno.test("a result that was pushed out at once is an error, not a wait", async () => {
  await using redis = await RedisServer.start();
  await using scene = await Scene.open(redis.dsn);
  const job = await scene.client.invoke(SUM);
  const result = job.result();
  await eventually(() => subscribers(redis, job.id));
  const [producer, n] = job.id.split(".");
  const rejected = assert.rejects(
    result,
    (error) =>
      error instanceof ResultNotKeptError &&
      /no longer kept/.test(error.message),
  );
  await redis.call("PUBLISH", `mqk:{default}:done:${producer}`, n);
  await rejected;
});

Deno.test("a full server refuses for certain", async () => {
  await using redis = await RedisServer.start();
  await using scene = await Scene.open(redis.dsn);
  await scene.client.invoke(SUM, 1, 2);
  await redis.call("CONFIG", "SET", "maxmemory", "1");
  await assert.rejects(
    scene.client.invoke(SUM, 1, 2),
    (error) => error instanceof BrokerError && /OOM/.test(error.message),
  );
  await redis.call("CONFIG", "SET", "maxmemory", "0");
  await scene.client.invoke(SUM, 1, 2);
  await scene.reserve(2);
  assert.equal((await scene.broker.counts(["default"]))[0].ready, 0);
});

/** Whether the client that sent this job has subscribed. */
async function subscribers(redis: RedisServer, id: string): Promise<boolean> {
  const channel = `mqk:{default}:done:${id.split(".")[0]}`;
  const [, count] = await redis.call("PUBSUB", "NUMSUB", channel) as unknown[];
  return Number(count) > 0;
}
