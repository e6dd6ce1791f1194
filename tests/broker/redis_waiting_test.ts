import assert from "node:assert/strict";
import { BrokerUnavailableError } from "../../src/broker/broker.ts";
import { RedisBroker } from "../../src/broker/redis/redis_broker.ts";
import { eventually } from "../harness/eventually.ts";
import { RedisServer } from "../harness/redis_server.ts";

/** A wait that can be looked at. */
class Wait {
  answer: string[] | undefined;
  readonly ended: Promise<string[]>;
  readonly #abort = new AbortController();

  constructor(broker: RedisBroker, queues: readonly string[]) {
    this.ended = broker.wait(queues, this.#abort.signal);
    this.ended.then((answer) => this.answer = answer).catch(() => {});
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await this.ended;
  }
}

function open(server: RedisServer): Promise<RedisBroker> {
  return RedisBroker.open({ kind: "redis", url: server.url });
}

/** Resolves when so many connections of workers are blocked. */
async function blocked(server: RedisServer, count: number): Promise<void> {
  await eventually(async () => {
    const info = String(await server.call("INFO", "clients"));
    return info.includes(`\r\nblocked_clients:${count}\r\n`);
  });
}

async function connections(server: RedisServer): Promise<number> {
  const info = String(await server.call("INFO", "stats"));
  return Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
}

Deno.test("redis: an RPUSH by another program wakes a wait", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  const wait = new Wait(broker, ["low", "high"]);
  await blocked(server, 2);
  await server.call("RPUSH", "mqk:{high}:ready", "job");
  assert.deepEqual(await wait.ended, ["high"]);
  const batch = await broker.reserve("w", "high", {
    limit: 10,
    bytes: 1000,
    known: 0,
    idle: true,
  });
  assert.deepEqual(batch.messages, ["job"]);
});

Deno.test("redis: one push wakes one of several workers", async () => {
  await using server = await RedisServer.start();
  await using stack = new AsyncDisposableStack();
  const waits: Wait[] = [];
  for (let i = 0; i < 5; i++) {
    waits.push(new Wait(stack.use(await open(server)), ["q"]));
  }
  await blocked(server, 5);
  await server.call("RPUSH", "mqk:{q}:ready", "job");
  await blocked(server, 4);
  const woken = waits.filter(({ answer }) => answer?.length === 1);
  assert.equal(woken.length, 1);
  await Promise.all(waits.map((wait) => wait.end()));
});

Deno.test("redis: a job that a forgotten wait took is put back within two ticks, and wakes a worker", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  await broker.reap("q");
  await server.call("RPUSH", "mqk:{q}:ready", "first", "second");
  // As the command of a worker that was suspended for long, or is dead.
  await server
    .call("BLMOVE", "mqk:{q}:ready", "mqk:{q}:inbox", "LEFT", "RIGHT", 5);
  await server
    .call("BLMOVE", "mqk:{q}:ready", "mqk:{q}:inbox", "LEFT", "RIGHT", 5);
  const wait = new Wait(broker, ["q"]);
  await blocked(server, 1);
  const startedMs = performance.now();
  await eventually(async () => {
    await broker.reap("q");
    return wait.answer !== undefined;
  });
  assert.deepEqual(wait.answer, ["q"]);
  assert.ok(performance.now() - startedMs < 2500);
  assert.deepEqual((await broker.take("q", 10, 1000)).messages, [
    "first",
    "second",
  ]);
});

Deno.test("redis: a job for a queue that a busy worker once waited for wakes an idle one at once", async () => {
  await using server = await RedisServer.start();
  await using busy = await open(server);
  await using idle = await open(server);
  const first = new Wait(busy, ["high", "low"]);
  await blocked(server, 2);
  await server.call("RPUSH", "mqk:{high}:ready", "long job");
  assert.deepEqual(await first.ended, ["high"]);
  const wait = new Wait(idle, ["low"]);
  await blocked(server, 2);
  const startedMs = performance.now();
  await server.call("RPUSH", "mqk:{low}:ready", "job");
  assert.deepEqual(await wait.ended, ["low"]);
  assert.ok(performance.now() - startedMs < 500, "no tick had to pass");
});

Deno.test("redis: many waits, served or aborted, use the connections of the first one", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  const first = new Wait(broker, ["a", "b"]);
  await blocked(server, 2);
  await first.end();
  const before = await connections(server);
  for (let i = 0; i < 20; i++) {
    const aborted = new Wait(broker, ["a", "b"]);
    await aborted.end();
    const wait = new Wait(broker, ["a", "b"]);
    await server.call("RPUSH", "mqk:{b}:ready", `job ${i}`);
    assert.deepEqual(await wait.ended, ["b"]);
    assert.deepEqual((await broker.take("b", 10, 1000)).messages, [`job ${i}`]);
  }
  assert.equal(await connections(server), before);
});

Deno.test("redis: at its memory limit the server lets nobody wait, and a wait answers each second", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  await server.call("CONFIG", "SET", "maxmemory", "1");
  const startedMs = performance.now();
  const wait = new Wait(broker, ["q"]);
  assert.deepEqual(await wait.ended, ["q"]);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 900 && tookMs < 2000, `${tookMs}`);
});

Deno.test("redis: a wait ends when its server is gone, and works when it is back", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  const wait = new Wait(broker, ["q"]);
  await blocked(server, 1);
  await server.kill();
  await assert.rejects(wait.ended, BrokerUnavailableError);
  await server.restart();
  const next = new Wait(broker, ["q"]);
  await blocked(server, 1);
  await server.call("RPUSH", "mqk:{q}:ready", "job");
  assert.deepEqual(await next.ended, ["q"]);
});

const MANY = Array.from({ length: 100 }, (_, i) => `queue${i}`);

Deno.test("redis: one connection waits for a hundred queues, and names the one with a job", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  await server.call("RPUSH", "mqk:{queue7}:ready", "job");
  assert.deepEqual(await new Wait(broker, MANY).ended, ["queue7"]);
  await broker.take("queue7", 10, 1000);
  const before = await connections(server);
  for (const queue of ["queue50", "queue99", "queue0", "queue7"]) {
    const wait = new Wait(broker, MANY);
    await tracked(server, queue);
    await server.call("RPUSH", `mqk:{${queue}}:ready`, "job");
    assert.deepEqual(await wait.ended, [queue]);
    assert.deepEqual((await broker.take(queue, 10, 1000)).messages, ["job"]);
  }
  assert.equal(await connections(server), before);
  const wait = new Wait(broker, MANY);
  await wait.end();
  assert.deepEqual(wait.answer, []);
});

Deno.test("redis: a job of many queues that nobody takes is named again", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  const wait = new Wait(broker, MANY);
  await tracked(server, "queue3");
  await server.call("RPUSH", "mqk:{queue3}:ready", "job");
  assert.deepEqual(await wait.ended, ["queue3"]);
  assert.deepEqual(await new Wait(broker, MANY).ended, ["queue3"]);
});

Deno.test("redis: a wait for many queues goes on after the loss of its connection", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  const wait = new Wait(broker, MANY);
  await tracked(server, "queue3");
  const startedMs = performance.now();
  await server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await tracked(server, "queue3");
  await server.call("RPUSH", "mqk:{queue3}:ready", "job");
  assert.deepEqual(await wait.ended, ["queue3"]);
  assert.ok(performance.now() - startedMs < 4000, "before the next full look");
});

Deno.test("redis: where tracking is not allowed, many queues are looked at again and again", async () => {
  await using server = await RedisServer.start();
  await server.call("ACL", "SETUSER", "default", "-client|tracking");
  await using broker = await open(server);
  const wait = new Wait(broker, MANY);
  await eventually(async () => {
    const stats = String(await server.call("INFO", "commandstats"));
    return Number(/cmdstat_exists:calls=(\d+)/.exec(stats)?.[1] ?? 0) >= 2;
  });
  assert.equal(wait.answer, undefined);
  await server.call("RPUSH", "mqk:{queue3}:ready", "job");
  assert.deepEqual(await wait.ended, ["queue3"]);
});

/** Resolves when all keys of many queues have been read and are empty. */
async function tracked(server: RedisServer, queue: string): Promise<void> {
  assert.ok(MANY.includes(queue));
  await eventually(async () => {
    const info = String(await server.call("INFO", "stats"));
    return info.includes(`\r\ntracking_total_keys:${MANY.length}\r\n`);
  });
}
