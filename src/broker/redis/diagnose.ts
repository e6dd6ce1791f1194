import { SCHEMA_VERSION } from "../broker.ts";
import { type Finding, rehearse } from "../diagnosis.ts";
import type { Dsn } from "../dsn.ts";
import { parseRedisDsn } from "../redis_dsn.ts";
import { type Connection, ServerConnection } from "./connection.ts";
import { ReplyError } from "./errors.ts";
import { expectedType, KeySpace, type QueueKeys } from "./keys.ts";
import { RedisBroker } from "./redis_broker.ts";
import { readSetting } from "./warnings.ts";

const PINGS = 20;
const SLOW_PING_MS = 20;
const CLOCK_OFF_MS = 2000;
/** So many keys are looked at. */
const MOST_KEYS = 100_000;
/** So many names are printed. */
const NAMED = 5;
const OLDEST = { redis: [6, 2], valkey: [7, 2] } as const;

/** Looks at one server; the first finding says whether it can be reached. */
export async function* diagnoseRedis(
  { url }: Extract<Dsn, { kind: "redis" }>,
): AsyncGenerator<Finding> {
  const { server, prefix } = parseRedisDsn(url);
  await using connection = new ServerConnection({ url });
  try {
    yield await roundTrip(connection, server);
  } catch (error) {
    const found = (error as Error).message;
    yield { check: "connection", state: "problem", found };
    return;
  }
  const space = new KeySpace(prefix);
  const checks = [
    ["version", version],
    ["role", role],
    ["append-only file", appendOnly],
    ["eviction", eviction],
    ["memory", memory],
    ["clock", clock],
    ["cluster", cluster],
    [
      "rehearsal",
      () =>
        rehearse(
          () => RedisBroker.open({ kind: "redis", url }),
          (queue) => forget(connection, space, space.of(queue)),
        ),
    ],
    ["schema", () => schema(connection, space)],
    ["keys", () => keys(connection, space, prefix)],
  ] as const;
  for (const [check, look] of checks) {
    try {
      yield { check, ...await look(connection) };
    } catch (error) {
      const found = (error as Error).message;
      const state = isForbidden(error) ? "unknown" : "problem";
      yield { check, state, found };
    }
  }
}

type Found = Omit<Finding, "check">;

function isForbidden(error: unknown): boolean {
  return error instanceof ReplyError &&
    (error.code === "NOPERM" || /unknown command/i.test(error.message));
}

async function roundTrip(
  connection: Connection,
  server: string,
): Promise<Finding> {
  await connection.open?.();
  const tookMs: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const startedMs = performance.now();
    await connection.call(undefined, ["PING"]);
    tookMs.push(performance.now() - startedMs);
  }
  const medianMs = tookMs.sort((a, b) => a - b)[PINGS / 2];
  const found = `${server} answers in ${medianMs.toFixed(2)} ms`;
  return medianMs < SLOW_PING_MS
    ? { check: "connection", state: "ok", found }
    : {
      ...{ check: "connection", state: "warning", found },
      advice: "each step of a job waits so long: run workers nearer to it",
    };
}

async function info(
  connection: Connection,
  section: string,
): Promise<Map<string, string>> {
  const text = String(await connection.call(undefined, ["INFO", section]));
  return new Map(
    text.split("\r\n").filter((line) => line.includes(":"))
      .map((line) => line.split(/:(.*)/, 2) as [string, string]),
  );
}

async function version(connection: Connection): Promise<Found> {
  const fields = await info(connection, "server");
  const valkey = fields.get("valkey_version");
  const name = valkey === undefined ? "redis" : "valkey";
  const text = valkey ?? fields.get("redis_version") ?? "";
  const [major, minor] = text.split(".").map(Number);
  const [least, leastMinor] = OLDEST[name];
  const found = `${name} ${text}`;
  return major > least || major === least && minor >= leastMinor
    ? { state: "ok", found }
    : {
      ...{ state: "problem", found },
      advice: `the scripts need ${name} ${least}.${leastMinor} or later`,
    };
}

async function role(connection: Connection): Promise<Found> {
  const [name] = await connection.call(undefined, ["ROLE"]) as string[];
  return name === "master" ? { state: "ok", found: name } : {
    ...{ state: "problem", found: name },
    advice: "a replica takes no jobs: name the master",
  };
}

const NOT_ALLOWED: Found = {
  state: "unknown",
  found: "reading the settings is not allowed",
};

async function appendOnly(connection: Connection): Promise<Found> {
  const found = await readSetting(connection, "appendonly");
  if (found === undefined) return NOT_ALLOWED;
  if (found === "yes") {
    const fsync = await readSetting(connection, "appendfsync");
    return { state: "ok", found: `on, appendfsync ${fsync}` };
  }
  return {
    ...{ state: "problem", found: "off" },
    advice: "a restart loses jobs: set `appendonly yes`",
  };
}

async function eviction(connection: Connection): Promise<Found> {
  const found = await readSetting(connection, "maxmemory-policy");
  if (found === undefined) return NOT_ALLOWED;
  return found === "noeviction" ? { state: "ok", found } : {
    ...{ state: "problem", found },
    advice: "a full server removes jobs: set `maxmemory-policy noeviction`",
  };
}

async function memory(connection: Connection): Promise<Found> {
  const fields = await info(connection, "memory");
  const used = Number(fields.get("used_memory"));
  const most = Number(fields.get("maxmemory"));
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  if (most === 0) return { state: "ok", found: `${megabytes(used)} used` };
  const found = `${megabytes(used)} of ${megabytes(most)} used`;
  if (used < 0.8 * most) return { state: "ok", found };
  return {
    ...{ state: used < most ? "warning" : "problem", found },
    advice: "when it is full, no job can be sent: raise maxmemory",
  };
}

async function clock(connection: Connection): Promise<Found> {
  const beforeMs = Date.now();
  const [seconds, micros] = (await connection
    .call(undefined, ["TIME"]) as string[]).map(Number);
  const ourMs = (beforeMs + Date.now()) / 2;
  const offMs = Math.round(seconds * 1000 + micros / 1000 - ourMs);
  const found = `${Math.abs(offMs)} ms ${offMs < 0 ? "behind" : "ahead of"} us`;
  return Math.abs(offMs) < CLOCK_OFF_MS ? { state: "ok", found } : {
    ...{ state: "warning", found },
    advice: "jobs that are sent with `at` go by its clock: let both keep time",
  };
}

async function cluster(connection: Connection): Promise<Found> {
  const fields = await info(connection, "cluster");
  return fields.get("cluster_enabled") === "1"
    ? {
      ...{ state: "problem", found: "a node of a cluster" },
      advice: "clusters are not supported yet: name a server that stands alone",
    }
    : { state: "ok", found: "a server that stands alone" };
}

async function forget(
  connection: Connection,
  space: KeySpace,
  keys: QueueKeys,
): Promise<void> {
  const { ready, workers, buckets, meta } = keys;
  await connection.call(ready, [
    ...["UNLINK", ready, workers, buckets, meta],
    ...[keys.held("doctor"), keys.results("doctor.0")],
  ]);
  await connection.call(space.queues, ["SREM", space.queues, keys.queue]);
}

async function queueNames(
  connection: Connection,
  { queues }: KeySpace,
): Promise<string[]> {
  return await connection.call(queues, ["SMEMBERS", queues]) as string[];
}

async function schema(
  connection: Connection,
  space: KeySpace,
): Promise<Found> {
  const names = await queueNames(connection, space);
  const versions = await Promise.all(names.map(async (name) => {
    const { meta } = space.of(name);
    return Number(await connection.call(meta, ["HGET", meta, "v"]) ?? 0);
  }));
  const later = names.filter((_, i) => versions[i] > SCHEMA_VERSION);
  return later.length === 0
    ? { state: "ok", found: `${names.length} queues, none of a later version` }
    : {
      ...{ state: "problem", found: `later version: ${some(later)}` },
      advice: "update this program: it can't serve these queues",
    };
}

/** Keys that have a foreign type, or that no queue accounts for. */
async function keys(
  connection: Connection,
  space: KeySpace,
  prefix: string,
): Promise<Found> {
  const known = new Set(await queueNames(connection, space));
  const stray: string[] = [];
  const spoiled: string[] = [];
  let looked = 0;
  let cursor = "0";
  do {
    const [next, found] = await connection.call(undefined, [
      ...["SCAN", cursor, "MATCH", `${prefix}:*`, "COUNT", "1000"],
    ]) as [string, string[]];
    cursor = next;
    looked += 1000;
    const types = await Promise.all(
      found.map((key) => connection.call(key, ["TYPE", key])),
    );
    for (const [i, key] of found.entries()) {
      const queue = /\{(.*?)\}/.exec(key)?.[1];
      const expected = expectedType(key);
      // It may have gone meanwhile.
      if (types[i] === "none") continue;
      if (expected === undefined || queue !== undefined && !known.has(queue)) {
        stray.push(key);
      } else if (types[i] !== expected) spoiled.push(`${key} (${types[i]})`);
    }
  } while (cursor !== "0" && looked < MOST_KEYS);
  const extent = cursor === "0" ? "all keys" : `${MOST_KEYS} places`;
  if (spoiled.length > 0) {
    return {
      ...{ state: "problem", found: `of a foreign type: ${some(spoiled)}` },
      advice: "another program wrote them; their queues are not served",
    };
  }
  return stray.length === 0
    ? { state: "ok", found: `nothing foreign in ${extent}` }
    : {
      ...{ state: "warning", found: `stray: ${some(stray)}` },
      advice: "no queue accounts for them, and nothing removes them",
    };
}

function some(names: readonly string[]): string {
  const rest = names.length - NAMED;
  const shown = names.slice(0, NAMED).join(", ");
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
