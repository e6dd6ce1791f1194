import assert from "node:assert/strict";
import { RedisBroker } from "../../src/broker/redis/redis_broker.ts";
import { RedisServer } from "../harness/redis_server.ts";

const REQUEST = { limit: 1, bytes: 10_000, known: 0, idle: false };

function open(server: RedisServer): Promise<RedisBroker> {
  return RedisBroker.open({ kind: "redis", url: server.url });
}

Deno.test("redis: who reserves, and who reaps, hears how many suspects wait", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  for (const worker of ["w1", "w2"]) {
    await broker.enqueue([
      { id: "p.1", queue: "q", message: "a" },
      { id: "p.2", queue: "q", message: "b" },
    ]);
    await broker.reserve(worker, "q", { ...REQUEST, limit: 2 });
    await broker.recover(worker, "q", "replaced");
  }
  await broker.enqueue([{ id: "p.3", queue: "q", message: "ready" }]);
  assert.equal((await broker.reap("q")).suspects, 4);

  const busy = await broker.reserve("w3", "q", REQUEST);
  assert.deepEqual([busy.messages, busy.suspects], [["ready"], 4]);
  const empty = await broker.reserve("w4", "q", REQUEST);
  assert.deepEqual([empty.messages, empty.suspects], [[], 4]);
  const suspect = await broker.reserve("w4", "q", { ...REQUEST, idle: true });
  assert.deepEqual([suspect.messages, suspect.suspects], [["a"], 3]);
  await broker.begin("w4", "q", suspect.tokens[0]);
  await broker.recover("w4", "q", "replaced");
  assert.equal((await broker.reap("q")).suspects, 4, "crashed ones count too");
});

Deno.test("redis: a thousand and more due jobs are ready within one tick", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  await broker.enqueue(Array.from({ length: 1200 }, (_, n) => ({
    id: `p.${n}`,
    queue: "q",
    message: `${n}`,
    atMs: 1 + n,
  })));
  const steps = [
    await broker.reap("q"),
    await broker.reap("q"),
    await broker.reap("q"),
  ];
  assert.deepEqual(steps.map(({ more }) => more), [true, true, false]);
  assert.ok(steps.filter(({ advanced }) => advanced).length < 3);
  const [{ ready, scheduled }] = await broker.counts(["q"]);
  assert.deepEqual([ready, scheduled], [1200, 0]);
  const { messages: first } = await broker.take("q", 2, 1000);
  assert.deepEqual(first, ["0", "1"], "the one that was due first is first");
});
