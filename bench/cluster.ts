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
import { mean } from "./statistics.ts";

/** The names of four queues are such that each of three nodes has one. */
const LOAD: Load = { count: 120_000, kept: true, queues: 4 };
/** How many nodes, in turn: what comes first has the same luck as what follows. */
const TURNS = [3, 1, 1, 3] as const;
type Nodes = typeof TURNS[number];

/** A cluster of so many nodes; looked at queue by queue, as it must be. */
async function store(site: Site, nodes: Nodes): Promise<Store> {
  const cluster = await site.cluster(nodes);
  const places = await Promise.all(
    queueNames(LOAD).map(async (queue) => ({
      server: await cluster.masterOf(new QueueKeys(queue).ready),
      queues: [queue],
    })),
  );
  return { dsn: cluster.dsn, places };
}

/** How many queues each server of a store has, the most first. */
function queuesOf({ places }: Store): [RedisServer, number][] {
  const queues = new Map<RedisServer, number>();
  for (const { server } of places) {
    queues.set(server, (queues.get(server) ?? 0) + 1);
  }
  return [...queues].sort(([, a], [, b]) => b - a);
}

/** Drains the same from both, in turn. */
async function drainEach(site: Site, round: number): Promise<Sample> {
  // Both run before the first is measured: they share the machine alike.
  const [three, one] = await Promise.all([store(site, 3), store(site, 1)]);
  const samples: Record<Nodes, DrainSample[]> = { 3: [], 1: [] };
  for (let turn = 0; turn < TURNS.length; turn++) {
    const nodes = TURNS[(turn + round) % TURNS.length];
    await site.clear();
    samples[nodes].push(await drainMqk(site, LOAD, nodes === 3 ? three : one));
  }
  const values: Record<string, number> = {};
  for (const [name, nodes] of [["three", 3], ["one", 1]] as const) {
    for (const key of ["rate", "redisCpu", "workerCpu"]) {
      const each = samples[nodes].map(({ values }) => values[key]);
      // Not every system says what a process has used.
      if (each[0] !== undefined) values[`${name}.${key}`] = mean(each);
    }
  }
  values.times = values["three.rate"] / values["one.rate"];
  const spread = queuesOf(three);
  for (const [i, [server]] of spread.entries()) {
    values[`three.redisCpu.${i}`] = mean(
      samples[3].map(({ redisCpu }) => redisCpu.get(server)!),
    );
  }
  return {
    values,
    checks: [
      ...[...samples[3], ...samples[1]].flatMap(({ checks }) => checks),
      { what: "nodes with queues", expected: 3, counted: spread.length },
      {
        what: "queues on the fullest node",
        expected: 2,
        counted: spread[0][1],
      },
    ],
  };
}

function rate(store: "one" | "three", label: string): Figure {
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
