import { createHash } from "node:crypto";
import { RedisBroker } from "../../src/broker/redis/redis_broker.ts";
import { RedisInspector } from "../../src/broker/redis/redis_inspector.ts";
import { KeySpace } from "../../src/broker/redis/keys.ts";
import { parseRedisDsn } from "../../src/broker/redis_dsn.ts";
import { Certificates } from "../harness/certificates.ts";
import { RedisCluster } from "../harness/redis_cluster.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";
import { Sentinels } from "../harness/sentinels.ts";
import { TempDir } from "../harness/temp_dir.ts";
import type { OpenStore } from "./conformance/store.ts";
import { exercise } from "./conformance/suite.ts";

/**
 * The scripts' clock is a key that a test turns. On a cluster each node has
 * one: a script can read only that of its own.
 */
const CLOCKS = ["{a}now", "{b}now", "{c}now"];
const CLOCK = `local function now_ms()
  for _, key in ipairs({ '${CLOCKS.join("', '")}' }) do
    local now = redis.pcall('GET', key)
    if type(now) == 'string' then return tonumber(now) end
  end
end
`;

// One server for all cases: each has a queue of its own.
let server: RedisServer;
let encryptedUrl: string;
let cluster: RedisCluster;
let sentinels: Sentinels;
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
  cluster = await RedisCluster.start();
  // A busy machine must not become a failover: that is another test.
  sentinels = await Sentinels.start({ downAfterMs: 60_000 });
  encryptedUrl = `rediss://127.0.0.1:${port}/2?prefix=other&ca=${own.ca}`;
});
Deno.test.afterAll(async () => {
  await sentinels[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

type Call = (key: string, ...args: (string | number)[]) => Promise<unknown>;

function stores(
  url: () => string,
  call: Call,
): OpenStore {
  return async (limits) => {
    const dsn = { kind: "redis", url: url() } as const;
    const { prefix } = parseRedisDsn(dsn.url);
    const options = { limits, scripts: { clock: CLOCK, sha1 } };
    const resources = new AsyncDisposableStack();
    const open = async () =>
      resources.use(await RedisBroker.open(dsn, options));
    let now = Date.now();
    const setClocks = async () => {
      for (const key of CLOCKS) await call(key, "SET", key, now);
    };
    await setClocks();
    return {
      broker: await open(),
      inspector: resources.use(await RedisInspector.open(dsn)),
      second: open,
      nowMs: () => now,
      async advance(ms) {
        now += ms;
        await setClocks();
      },
      async setSchema(queue, version) {
        const { meta } = new KeySpace(prefix).of(queue);
        await call(meta, "HSET", meta, "v", version);
      },
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  };
}

function callIn(database: number): Call {
  return async (_key, ...args) => {
    await server.call("SELECT", database);
    return await server.call(...args);
  };
}

exercise("redis", stores(() => server.url, callIn(0)));
exercise(
  "redis, encrypted, another database and prefix",
  stores(() => encryptedUrl, callIn(2)),
);
exercise(
  "redis cluster",
  stores(() => cluster.dsn, (key, ...args) => cluster.call(key, ...args)),
);
exercise(
  "redis, through Sentinel",
  stores(
    () => `${sentinels.dsn}?replicas=1`,
    (_key, ...args) => sentinels.master.call(...args),
  ),
);
