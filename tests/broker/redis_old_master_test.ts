/**
 * A master that another has replaced, and that does not know it yet: it still
 * takes what is written to it, and forgets it when it becomes a replica.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Client, connect } from "../../mod.ts";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import type { RedisServer } from "../harness/redis_server.ts";
import { Sentinels } from "../harness/sentinels.ts";

/** Of promotion, until workers and producers go on. */
const WITHIN_MS = 15_000;
const SUM = { job: "mqk:calculator#sum", ttl: 5 };

/** The DSN of a user of its own, which tells its connections from others. */
async function dsnOfUser(sentinels: Sentinels): Promise<string> {
  for (const server of sentinels.servers) {
    await server.call(
      ...["ACL", "SETUSER", "ours", "on", ">ours", "~*", "&*", "+@all"],
    );
  }
  return sentinels.dsn.replace(/:[^/]*@/, "ours:ours@");
}

/** Connections of workers and producers to a server. */
async function ours(server: RedisServer): Promise<string[]> {
  const list = String(await server.call("CLIENT", "LIST"));
  return list.split("\n").filter((line) => line.includes(" user=ours "));
}

/** How many commands it had that workers send, and replicas do not get. */
async function commands(server: RedisServer): Promise<number> {
  const text = String(await server.call("INFO", "commandstats"));
  return [...text.matchAll(/^cmdstat_(?:evalsha|blmove):calls=(\d+)/gm)]
    .reduce((sum, [, calls]) => sum + Number(calls), 0);
}

/** A job is stored and done. */
async function works(client: Client): Promise<void> {
  await eventually(async () => {
    const job = await client.invoke(SUM, 1, 2);
    assert.equal(await job.result({ timeout: 5 }), 3);
  }, 2 * WITHIN_MS);
}

/** Waits until nobody of ours is there. */
async function left(server: RedisServer): Promise<void> {
  await eventually(
    async () => assert.deepEqual(await ours(server), []),
    WITHIN_MS,
  );
}

/** Lets jobs run until it is a replica; nothing comes from us meanwhile. */
async function becomesReplica(
  sentinels: Sentinels,
  client: Client,
  dsn: string,
): Promise<void> {
  const old = sentinels.master;
  assert.ok(await sentinels.isMaster(old), "it is a replica already");
  const before = await commands(old);
  for (let jobs = 0;; jobs++) {
    await works(client);
    if (await sentinels.isMaster(old)) continue;
    console.log(`${jobs} jobs ran before it was a replica`);
    assert.ok(jobs > 10);
    break;
  }
  assert.equal(await commands(old), before);
  assert.deepEqual(await ours(old), []);
  // Both replicas have it, so this one does.
  await using careful = connect(dsn, { replicas: 2 });
  await eventually(() => careful.invoke({ ...SUM, delay: 3600 }, 1, 2), 30_000);
  assert.ok(await old.call("ZCARD", "mqk:{default}:scheduled") as number > 0);
}

Deno.test("an old master that was suspended gets nothing when it wakes up", async () => {
  await using sentinels = await Sentinels.start();
  const dsn = await dsnOfUser(sentinels);
  await using client = connect(dsn);
  await using _run = await MqkProcess.run(dsn, "-w", "1");
  await works(client);
  sentinels.master.pause();
  await sentinels.promoted();
  await works(client);
  sentinels.master.resume();
  // It reads what was sent before it fell asleep, and that we have gone.
  await left(sentinels.master);
  await becomesReplica(sentinels, client, dsn);
});

Deno.test("an old master that needs a replica and is cut off from all is left at once", async () => {
  await using sentinels = await Sentinels.start();
  const { master } = sentinels;
  for (const server of sentinels.servers) {
    await server.call("CONFIG", "SET", "min-replicas-to-write", 1);
  }
  const dsn = await dsnOfUser(sentinels);
  await using client = connect(dsn);
  await using _run = await MqkProcess.run(dsn, "-w", "1");
  await works(client);
  await sentinels.cutOff(master);
  await sentinels.promoted();
  const promotedAtMs = performance.now();
  await works(client);
  await left(master);
  const tookMs = Math.round(performance.now() - promotedAtMs);
  console.log(`left ${tookMs} ms after the promotion`);
  await sentinels.rejoin(master);
  await becomesReplica(sentinels, client, dsn);
});

Deno.test("who has found the new master leaves an old one that still takes all", async () => {
  await using sentinels = await Sentinels.start();
  const { master } = sentinels;
  const dsn = await dsnOfUser(sentinels);
  await using client = connect(dsn, { replicas: 1 });
  await using _run = await MqkProcess.run(dsn, "-w", "1");
  await works(client);
  await sentinels.cutOff(master);
  await sentinels.promoted();
  const promotedAtMs = performance.now();
  // A producer that hears that no replica has its job asks for the master.
  await eventually(() => client.invoke(SUM, 1, 2), WITHIN_MS);
  console.log(`sent ${Math.round(performance.now() - promotedAtMs)} ms later`);
  // Of the worker's connections one is lost: that which waits for no job.
  for (const line of await ours(master)) {
    const [, id, flags] = /^id=(\d+) .* flags=(\S+)/.exec(line)!;
    if (flags !== "b") await master.call("CLIENT", "KILL", "ID", id);
  }
  await left(master);
  await works(client);
  await sentinels.rejoin(master);
  await becomesReplica(sentinels, client, dsn);
});
