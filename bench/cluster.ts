import { QueueKeys } from "../src/broker/redis/keys.ts";
import type { RedisServer } from "../tests/harness/redis_server.ts";
import type { Case, Figure, Sample } from "./case.ts";
import {
  drainMqk,
  type DrainSample,
  type Load,
  queueNames,
  type Store,
} from "./drain_mqk.ts";
import type { Site } from "./site.ts";

/** The names of four queues are such that each of three nodes has one. */
const LOAD: Load = { count: 60_000, kept: true, queues: 4 };
const NODES = 3;

/** Looked at queue by queue, as a cluster must be. */
async function store(
  dsn: string,
  serverOf: (key: string) => RedisServer | Promise<RedisServer>,
): Promise<Store> {
  const places = await Promise.all(
    queueNames(LOAD).map(async (queue) => ({
      server: await serverOf(new QueueKeys(queue).ready),
      queues: [queue],
    })),
  );
  return { dsn, places };
}

async function onCluster(site: Site, nodes: number): Promise<Store> {
  const cluster = await site.cluster(nodes);
  return await store(cluster.dsn, (key) => cluster.masterOf(key));
}

/** Where the same is drained from, in turn. */
const STORES = {
  three: (site: Site) => onCluster(site, NODES),
  one: (site: Site) => onCluster(site, 1),
  plain: ({ redis }: Site) => store(redis.dsn, () => redis),
} as const;
type StoreName = keyof typeof STORES;

/** How many queues each server of a store has, the most first. */
function queuesOf({ places }: Store): [RedisServer, number][] {
  const queues = new Map<RedisServer, number>();
  for (const { server } of places) {
    queues.set(server, (queues.get(server) ?? 0) + 1);
  }
  return [...queues].sort(([, a], [, b]) => b - a);
}

/** Drains the same from all stores; a later round begins with another. */
async function drainEach(site: Site, round: number): Promise<Sample> {
  const names = Object.keys(STORES) as StoreName[];
  // All run before the first is measured: they share the machine alike.
  const stores = {} as Record<StoreName, Store>;
  await Promise.all(names.map(async (name) => {
    stores[name] = await STORES[name](site);
  }));
  const samples = {} as Record<StoreName, DrainSample>;
  for (let turn = 0; turn < names.length; turn++) {
    const name = names[(turn + round) % names.length];
    samples[name] = await drainMqk(site, LOAD, stores[name]);
  }
  const { three, one, plain } = samples;
  const spread = queuesOf(stores.three);
  const values: Record<string, number> = {
    times: three.values.rate / one.values.rate,
  };
  for (const [name, { values: own }] of Object.entries(samples)) {
    for (const key of ["rate", "redisCpu", "workerCpu"]) {
      if (own[key] !== undefined) values[`${name}.${key}`] = own[key];
    }
  }
  for (const [i, [server]] of spread.entries()) {
    values[`three.redisCpu.${i}`] = three.redisCpu.get(server)!;
  }
  return {
    values,
    checks: [
      ...[three, one, plain].flatMap(({ checks }) => checks),
      { what: "nodes with queues", expected: NODES, counted: spread.length },
      {
        what: "queues on the fullest node",
        expected: 2,
        counted: spread[0][1],
      },
    ],
  };
}

function rate(store: StoreName, label: string): Figure {
  return { key: `${store}.rate`, label, unit: "/s", higherIsBetter: true };
}

function cpu(key: string, label: string): Figure {
  return { key, label, unit: "µs" };
}

/** Whether nodes of a cluster are as fast as one, and share the work. */
export const CLUSTER_CASES: readonly Case[] = [{
  name: "cluster/drain",
  title: "drain, results, 4 queues",
  figures: [
    rate("plain", "one server, no cluster"),
    rate("one", "cluster of one node"),
    rate("three", "cluster of three nodes"),
    {
      key: "times",
      label: "three nodes beside one",
      unit: "×",
      higherIsBetter: true,
      target: { value: 1 },
    },
    cpu("one.redisCpu", "Redis CPU a job, one node"),
    cpu("three.redisCpu", "Redis CPU a job, three nodes"),
    cpu("three.redisCpu.0", "Redis CPU a job, node of 2 queues"),
    cpu("three.redisCpu.1", "Redis CPU a job, a node of 1 queue"),
    cpu("three.redisCpu.2", "Redis CPU a job, the other one"),
    ...(Deno.build.os === "linux"
      ? [
        cpu("one.workerCpu", "worker CPU a job, one node"),
        cpu("three.workerCpu", "worker CPU a job, three nodes"),
      ]
      : []),
  ],
  subjects: { mqk: drainEach },
  missing: {
    limit: "not measured on a cluster",
    bullmq: "not measured on a cluster",
    beeQueue: "not measured on a cluster",
  },
}];
