import { RedisBroker } from "../../src/broker/redis/redis_broker.ts";
import { RedisInspector } from "../../src/broker/redis/redis_inspector.ts";
import { QueueKeys } from "../../src/broker/redis/keys.ts";
import { RedisServer } from "../harness/redis_server.ts";
import type { OpenStore } from "./conformance/store.ts";
import { exercise } from "./conformance/suite.ts";

/** The scripts' clock is a key that a test turns. */
const CLOCK = "test:now";
const PRELUDE = "local function now_ms() " +
  `return tonumber(redis.call('GET', '${CLOCK}')) end\n`;

// One server for all cases: each has a queue of its own.
let server: RedisServer;
Deno.test.beforeAll(async () => {
  server = await RedisServer.start();
});
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const openStore: OpenStore = async (limits) => {
  const dsn = { kind: "redis", url: server.url } as const;
  const options = { limits, scripts: { prelude: PRELUDE } };
  const resources = new AsyncDisposableStack();
  const open = async () => resources.use(await RedisBroker.open(dsn, options));
  let now = Date.now();
  await server.call("SET", CLOCK, now);
  return {
    broker: await open(),
    inspector: resources.use(await RedisInspector.open(dsn)),
    second: open,
    nowMs: () => now,
    async advance(ms) {
      now += ms;
      await server.call("SET", CLOCK, now);
    },
    async setSchema(queue, version) {
      await server.call("HSET", new QueueKeys(queue).meta, "v", version);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
};

exercise("redis", openStore);
