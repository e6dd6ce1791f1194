import assert from "node:assert/strict";
import { LIMITS } from "../../../src/broker/limits.ts";
import { RedisServer } from "../../harness/redis_server.ts";
import { eventually } from "../../harness/eventually.ts";
import { Site } from "../site.ts";
import type { PingReport } from "./ping_thread.ts";

const JOBS = `export const sum = (a: number, b: number) => a + b;`;
const MILLION = 1_000_000;
const CHUNK = 10_000;
/** What another client of the server is promised, at p99. */
const PING_MS = 20;
/** A running server and its buffers, without anything stored. */
const ROOM_BYTES = 32 * 1024 * 1024;

/** Another client that measures how long the server lets it wait. */
class Pinger implements Disposable {
  readonly #thread: Worker;

  constructor(...ports: number[]) {
    const url = import.meta.resolve("./ping_thread.ts");
    this.#thread = new Worker(url, { type: "module" });
    this.#thread.postMessage({ ports });
  }

  /** What the last phase was like, server by server; the next one begins. */
  report(): Promise<PingReport[]> {
    return new Promise((resolve) => {
      this.#thread.onmessage = ({ data }) => resolve(data);
      this.#thread.postMessage("report");
    });
  }

  [Symbol.dispose](): void {
    this.#thread.terminate();
  }
}

async function memory(redis: RedisServer): Promise<number> {
  const info = String(await redis.call("INFO", "memory"));
  return Number(/used_memory:(\d+)/.exec(info)![1]);
}

function print({ count, p50Ms, p99Ms, worstMs }: PingReport): string {
  const [p50, p99, worst] = [p50Ms, p99Ms, worstMs].map((ms) => ms.toFixed(1));
  return `p50 ${p50}, p99 ${p99}, worst ${worst} ms (${count} times)`;
}

/** How long scripts took since the last call: percentiles in microseconds. */
async function scriptTimes(redis: RedisServer): Promise<string> {
  const info = String(await redis.call("INFO", "latencystats"));
  await redis.call("CONFIG", "RESETSTAT");
  return /_evalsha:(.*)/.exec(info)?.[1].trim() ?? "none ran";
}

async function meta(redis: RedisServer, field: string): Promise<number> {
  return Number(await redis.call("HGET", "mqk:{default}:meta", field));
}

/** Jobs that wait in any place of the queue. */
async function left(redis: RedisServer): Promise<number> {
  const lengths = await Promise.all([
    ...["ready", "inbox", "suspect", "crashed"].map((key) =>
      redis.call("LLEN", `mqk:{default}:${key}`)
    ),
    ...["scheduled", "retry", "lone"].map((key) =>
      redis.call("ZCARD", `mqk:{default}:${key}`)
    ),
  ]);
  const held = await redis.call("KEYS", "mqk:{default}:held:*") as string[];
  for (const key of held) lengths.push(await redis.call("HLEN", key));
  return lengths.map(Number).reduce((sum, length) => sum + length);
}

async function invokeMillion(site: Site, at?: Date): Promise<void> {
  for (let n = 0; n < MILLION; n += CHUNK) {
    await site.client.invokeMany(
      Array.from({ length: CHUNK }, (_, i) => ({
        job: "./jobs.ts#sum",
        args: [n + i, 1],
        at,
      })),
    );
  }
}

Deno.test("a million results and a million jobs of the same second: memory falls back under the cap, another client hardly waits", async () => {
  await using site = await Site.open("redis", JOBS);
  const redis = site.redis!;
  // Nobody else talks to this one: what its PING waits for is the machine.
  await using idle = await RedisServer.start();
  using pinger = new Pinger(redis.port, idle.port);
  const reports = new Map<string, PingReport[]>();
  const phase = async (name: string, startedAt: number) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const [busy, control] = await pinger.report();
    reports.set(name, [busy, control]);
    const megabytes = Math.round(await memory(redis) / 1e6);
    console.log(
      `${name}: ${seconds} s, ${megabytes} MB; PING ${print(busy)}, of an ` +
        `idle server ${print(control)}; scripts in us: ${await scriptTimes(
          redis,
        )}`,
    );
  };

  let startedAt = performance.now();
  await invokeMillion(site);
  await phase("a million sent", startedAt);
  startedAt = performance.now();
  await site.run("-w", "2");
  await eventually(async () => assert.equal(await left(redis), 0), 120_000);
  await phase("drained", startedAt);
  // Each job has left one result, and none had to go.
  assert.equal(await meta(redis, "results"), MILLION);
  assert.ok(await memory(redis) < LIMITS.resultBytes + ROOM_BYTES);

  startedAt = performance.now();
  const at = new Date(Date.now() + 40_000);
  await invokeMillion(site, at);
  assert.ok(Date.now() < at.getTime(), "not all are delayed");
  await phase("a million delayed", startedAt);
  await eventually(
    async () => assert.equal(await left(redis), 0),
    at.getTime() - Date.now() + 120_000,
  );
  await phase("drained, since they were sent", startedAt);
  await eventually(async () => {
    assert.ok(await meta(redis, "results") <= LIMITS.results);
    assert.ok(await memory(redis) < LIMITS.resultBytes + ROOM_BYTES);
  });
  console.log(`${await meta(redis, "results")} results are kept`);
  assert.equal(await redis.call("ZCARD", "mqk:{default}:failed"), 0);
  for (const [name, [busy, control]] of reports) {
    assert.ok(
      busy.p99Ms < 2 * PING_MS + control.p99Ms,
      `${name}: PING ${print(busy)}, of an idle server ${print(control)}`,
    );
  }
});
