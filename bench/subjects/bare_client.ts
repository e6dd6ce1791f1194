/**
 * The limit: the same scripts, message sizes and Redis client as MQK, and
 * nothing else: no job is read or run.
 *
 * @module
 */
import { createClient } from "npm:@redis/client@6.3.1";
import { MAX_BATCH_BYTES, MAX_BATCH_JOBS } from "../../src/broker/broker.ts";
import { QueueKeys } from "../../src/broker/redis/keys.ts";
import { LIMITS } from "../../src/broker/limits.ts";
import { Scripts } from "../../src/broker/redis/scripts.ts";
import { settleCalls } from "../../src/broker/redis/settling.ts";
import { encodeMessage } from "../../src/job/message.ts";
import { DEFAULT_RETRIES, DEFAULT_TTL_SECONDS } from "../../src/job/policy.ts";
import {
  cpuSeconds,
  type DrainAnswer,
  type DrainOrder,
  endOfStdin,
  measureEnqueue,
  measureRoundTrips,
  nowMs,
  obey,
  queueName,
  ready,
  sumArguments,
} from "./protocol.ts";

/** As long as the names that MQK gives to its producers. */
const PRODUCER = "bareClient";
const WORKER = "bare-client-0001";
const PUSHED = "bare:pushed";
const STARTED = "bare:started";

type Send = (args: string[]) => Promise<unknown>;

async function open(dsn: string): Promise<Send> {
  const client = createClient({ url: dsn, RESP: 3 });
  client.on("error", (error) => console.error(error));
  await client.connect();
  return (args) => client.sendCommand(args);
}

function idOf(n: number): string {
  return `${PRODUCER}.${n}`;
}

/** Reserves and settles; while Redis works on one batch, we do on another. */
async function drain(send: Send, order: DrainOrder): Promise<DrainAnswer> {
  const scripts = new Scripts();
  for (const command of scripts.loading()) await send(command);
  const keys = new QueueKeys(queueName(0));
  const held = keys.held(WORKER);
  let known = 0;
  const reserve = () =>
    send([
      "EVALSHA",
      scripts.get("reserve").sha,
      "8",
      ...[keys.meta, keys.workers, held, keys.crashed, keys.suspect],
      ...[keys.inbox, keys.ready, keys.failed],
      WORKER,
      String(MAX_BATCH_JOBS),
      String(MAX_BATCH_BYTES),
      String(known),
      "0",
      String(LIMITS.messageBytes),
      String(LIMITS.failed),
    ]) as Promise<[string, number, number, string[]]>;
  const settle = async (batch: number, from: number, count: number) => {
    const settlements = Array.from({ length: count }, (_, i) => ({
      kind: "done" as const,
      token: `${batch}:${i}`,
      id: order.kept ? idOf(from + i) : undefined,
      outcome: order.kept ? "3" : undefined,
    }));
    for (const call of settleCalls(keys, WORKER, settlements, LIMITS)) {
      const [removed] = await send([
        "EVALSHA",
        scripts.get("settle").sha,
        String(call.keys.length),
        ...call.keys,
        ...call.args,
      ]) as number[];
      settled += removed;
    }
  };
  await ready();
  const firstMs = nowMs();
  const cpu = cpuSeconds();
  let settled = 0;
  let reserved = 0;
  let reply = reserve();
  const settles: Promise<void>[] = [];
  for (;;) {
    const [, batch, , messages] = await reply;
    if (messages.length === 0) break;
    known += messages.length;
    reply = reserve();
    settles.push(settle(batch, reserved, messages.length));
    known -= messages.length;
    reserved += messages.length;
  }
  await Promise.all(settles);
  return {
    counted: settled,
    cpuSeconds: cpuSeconds() - cpu,
    firstMs,
    lastMs: nowMs(),
  };
}

/** Fast mode: takes, and nothing else. */
async function take(send: Send): Promise<DrainAnswer> {
  const scripts = new Scripts();
  for (const command of scripts.loading()) await send(command);
  const keys = new QueueKeys(queueName(0));
  const next = () =>
    send([
      "EVALSHA",
      scripts.get("take").sha,
      "6",
      ...[keys.meta, keys.inbox, keys.ready],
      ...[keys.suspect, keys.crashed, keys.failed],
      String(MAX_BATCH_JOBS),
      String(MAX_BATCH_BYTES),
      String(LIMITS.messageBytes),
      String(LIMITS.failed),
    ]) as Promise<string[]>;
  await ready();
  const firstMs = nowMs();
  const cpu = cpuSeconds();
  let counted = 0;
  for (let reply = next();;) {
    const messages = await reply;
    if (messages.length === 0) break;
    reply = next();
    counted += messages.length;
  }
  return {
    counted,
    cpuSeconds: cpuSeconds() - cpu,
    firstMs,
    lastMs: nowMs(),
  };
}

await obey({
  async enqueue(order) {
    const send = await open(order.dsn);
    const { a, b, text } = sumArguments(order.payloadBytes);
    let n = 0;
    const message = () =>
      encodeMessage({
        id: idOf(n++),
        job: order.job ?? "mqk:calculator#sum",
        args: text === undefined ? [a, b] : [a, b, text],
        ttl: DEFAULT_TTL_SECONDS,
        retries: DEFAULT_RETRIES,
        backoff: "exponential",
        attempt: 1,
        result: order.kept ?? true,
      });
    return await measureEnqueue(order, {
      many(queue, count) {
        const command = ["RPUSH", new QueueKeys(queue).ready];
        for (let i = 0; i < count; i++) command.push(message());
        return send(command);
      },
      one: (queue) => send(["RPUSH", new QueueKeys(queue).ready, message()]),
    });
  },

  async drain(order) {
    const send = await open(order.dsn);
    return order.fast ? await take(send) : await drain(send, order);
  },

  async serve({ dsn }) {
    const send = await open(dsn);
    void (async () => {
      for (;;) {
        await send(["BLPOP", PUSHED, "0"]);
        await send(["RPUSH", STARTED, String(nowMs())]);
      }
    })();
    await endOfStdin();
  },

  async "round-trips"(order) {
    const [send, wait] = await Promise.all([open(order.dsn), open(order.dsn)]);
    return await measureRoundTrips(order, async () => {
      const started = wait(["BLPOP", STARTED, "0"]) as Promise<string[]>;
      await send(["RPUSH", PUSHED, "x"]);
      return Number((await started)[1]);
    });
  },
});
