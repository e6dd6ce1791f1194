import assert from "node:assert/strict";
import { readCancelled } from "../../src/broker/redis/cancelling.ts";
import type { Connection } from "../../src/broker/redis/connection.ts";
import { Connector } from "../../src/broker/redis/connector.ts";
import { QueueKeys } from "../../src/broker/redis/keys.ts";
import { openBroker } from "../../src/broker/open.ts";
import { RedisServer } from "../harness/redis_server.ts";

Deno.test("no cancelled job is missed while others are dropped", async () => {
  await using redis = await RedisServer.start();
  await using broker = await openBroker(redis.dsn);
  const ids = Array.from({ length: 2500 }, (_, n) => `p.${n}`);
  await broker.cancel("q", ids.map((id) => ({ id, dueMs: 0 })));
  const keys = new QueueKeys("q");
  await using own = new Connector(redis.dsn).connect();
  let pages = 0;
  // After the first page its jobs are dropped, as another worker does.
  const connection: Connection = {
    call: async (key, args) => {
      const answer = await own.call(key, args);
      if (args[0] === "ZRANGEBYSCORE" && ++pages === 1) {
        await redis.call("ZREM", keys.cancelled, ...ids.slice(0, 1000));
      }
      return answer;
    },
    callAll: (key, commands) => own.callAll(key, commands),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const found = await readCancelled(connection, keys, 0);
  assert.equal(found.cancels, 2500);
  assert.equal(new Set(found.ids).size, 2500);
  const later = await readCancelled(own, keys, 2400);
  assert.equal(later.ids.length, 100);
});
