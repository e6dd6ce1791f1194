import { RedisBroker } from "../../src/broker/redis/redis_broker.ts";
import { RedisInspector } from "../../src/broker/redis/redis_inspector.ts";
import { KeySpace } from "../../src/broker/redis/keys.ts";
import { parseRedisDsn } from "../../src/broker/redis_dsn.ts";
import { Certificates } from "../harness/certificates.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";
import type { OpenStore } from "./conformance/store.ts";
import { exercise } from "./conformance/suite.ts";

/** The scripts' clock is a key that a test turns. */
const CLOCK = "test:now";
const PRELUDE = "local function now_ms() " +
  `return tonumber(redis.call('GET', '${CLOCK}')) end\n`;

// One server for all cases: each has a queue of its own.
let server: RedisServer;
let encryptedUrl: string;
const folder = new TempDir();
Deno.test.beforeAll(async () => {
  const own = new Certificates(folder);
  const { cert, key } = own.issue("server");
  const port = freePort();
  server = await RedisServer.start({
    config: [
      ...["--tls-port", String(port), "--tls-ca-cert-file", own.ca],
      ...["--tls-cert-file", cert, "--tls-key-file", key],
      ...["--tls-auth-clients", "no"],
    ],
  });
  encryptedUrl = `rediss://127.0.0.1:${port}/2?prefix=other&ca=${own.ca}`;
});
Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function stores(url: () => string): OpenStore {
  return async (limits) => {
    const dsn = { kind: "redis", url: url() } as const;
    const { prefix, database } = parseRedisDsn(dsn.url);
    const options = { limits, scripts: { prelude: PRELUDE } };
    const resources = new AsyncDisposableStack();
    const open = async () =>
      resources.use(await RedisBroker.open(dsn, options));
    let now = Date.now();
    const call = async (...args: (string | number)[]) => {
      await server.call("SELECT", database);
      await server.call(...args);
    };
    await call("SET", CLOCK, now);
    return {
      broker: await open(),
      inspector: resources.use(await RedisInspector.open(dsn)),
      second: open,
      nowMs: () => now,
      async advance(ms) {
        now += ms;
        await call("SET", CLOCK, now);
      },
      async setSchema(queue, version) {
        const { meta } = new KeySpace(prefix).of(queue);
        await call("HSET", meta, "v", version);
      },
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  };
}

exercise("redis", stores(() => server.url));
exercise(
  "redis, encrypted, another database and prefix",
  stores(() => encryptedUrl),
);
