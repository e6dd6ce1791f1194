import { type Finding, rehearse } from "../diagnosis.ts";
import type { Dsn } from "../dsn.ts";
import { parseRedisDsn } from "../redis_dsn.ts";
import type { Connection, ServerConnection } from "./connection.ts";
import { Connector } from "./connector.ts";
import { ReplyError } from "./errors.ts";
import {
  expectedType,
  KEYS_VERSION,
  KeySpace,
  type QueueKeys,
} from "./keys.ts";
import { RedisBroker } from "./redis_broker.ts";
import { nameOf } from "./topology.ts";
import { readSetting } from "./warnings.ts";

const PINGS = 20;
const SLOW_PING_MS = 20;
const CLOCK_OFF_MS = 2000;
/** So many keys are looked at. */
const MOST_KEYS = 100_000;
/** So many names are printed. */
const NAMED = 5;
const SLOTS = 16_384;
const OLDEST = { redis: [6, 2], valkey: [7, 2] } as const;

/**
 * Looks at one server, or at each node of a cluster; the first finding says
 * whether it can be reached.
 */
export async function* diagnoseRedis(
  { url }: Extract<Dsn, { kind: "redis" }>,
): AsyncGenerator<Finding> {
  const { server, prefix } = parseRedisDsn(url);
  const connector = new Connector(url);
  await using resources = new AsyncDisposableStack();
  const connection = resources.use(connector.connect());
  const nodes: ServerConnection[] = [];
  try {
    yield await roundTrip(connection, server);
    nodes.push(...await connector.connectEach());
    for (const node of nodes) resources.use(node);
  } catch (error) {
    const found = (error as Error).message;
    yield { check: "connection", state: "problem", found };
    return;
  }
  const ofNodes = [
    ["version", version],
    ["role", role],
    ["append-only file", appendOnly],
    ["eviction", eviction],
    ["memory", memory],
    ["clock", clock],
  ] as const;
  for (const node of nodes) {
    const name = node.node === undefined ? "" : `${nameOf(node.node)}: `;
    for (const [check, look] of ofNodes) {
      const finding = await find(check, () => look(node));
      yield { ...finding, found: name + finding.found };
    }
  }
  const space = new KeySpace(prefix);
  const ofAll = [
    ["cluster", () => cluster(connection, connector.isCluster)],
    [
      "rehearsal",
      () =>
        rehearse(
          () => RedisBroker.open({ kind: "redis", url }),
          (queue) => forget(connection, space, space.of(queue)),
        ),
    ],
    ["schema", () => schema(connection, space)],
    ["keys", () => keys(connection, nodes, space, prefix)],
  ] as const;
  for (const [check, look] of ofAll) yield await find(check, look);
}

type Found = Omit<Finding, "check">;

async function find(
  check: string,
  look: () => Promise<Found>,
): Promise<Finding> {
  try {
    return { check, ...await look() };
  } catch (error) {
    const found = (error as Error).message;
    const state = isForbidden(error) ? "unknown" : "problem";
    return { check, state, found };
  }
}

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

async function cluster(
  connection: Connection,
  expected: boolean,
): Promise<Found> {
  if (!expected) {
    const enabled = (await info(connection, "cluster")).get("cluster_enabled");
    return enabled === "1"
      ? {
        ...{ state: "problem", found: "a node of a cluster" },
        advice: "serve all its nodes: use --cluster",
      }
      : { state: "ok", found: "a server that stands alone" };
  }
  const text = String(await connection.call(undefined, ["CLUSTER", "INFO"]));
  const field = (name: string) =>
    new RegExp(`^cluster_${name}:(\\w+)`, "m").exec(text)?.[1] ?? "";
  const served = Number(field("slots_ok"));
  const found =
    `${field("state")}, ${field("size")} nodes serve ${served} of ` +
    `${SLOTS} slots`;
  return field("state") === "ok" && served === SLOTS
    ? { state: "ok", found }
    : {
      ...{ state: "problem", found },
      advice: "queues on the other slots stand still: see CLUSTER NODES",
    };
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
  const later = names.filter((_, i) => versions[i] > KEYS_VERSION);
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
  nodes: readonly ServerConnection[],
  space: KeySpace,
  prefix: string,
): Promise<Found> {
  const known = new Set(await queueNames(connection, space));
  const stray: string[] = [];
  const spoiled: string[] = [];
  let all = true;
  const scan = scanAll(nodes, `${prefix}:*`, () => all = false);
  for await (const found of scan) {
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
  }
  const extent = all ? "all keys" : `${MOST_KEYS} places of a server`;
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

async function* scanAll(
  nodes: readonly ServerConnection[],
  pattern: string,
  stopped: () => void,
): AsyncGenerator<string[]> {
  for (const node of nodes) {
    let cursor = "0";
    for (let looked = 0; looked < MOST_KEYS; looked += 1000) {
      const [next, found] = await node.call(undefined, [
        ...["SCAN", cursor, "MATCH", pattern, "COUNT", "1000"],
      ]) as [string, string[]];
      yield found;
      cursor = next;
      if (cursor === "0") break;
    }
    if (cursor !== "0") stopped();
  }
}

function some(names: readonly string[]): string {
  const rest = names.length - NAMED;
  const shown = names.slice(0, NAMED).join(", ");
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
