/**
 * The limit: the same scripts, message sizes and Redis client as MQK, and
 * nothing else: no job is read or run.
 *
 * @module
 */
import { MAX_BATCH_BYTES, MAX_BATCH_JOBS } from "../../src/broker/broker.ts";
import { Client } from "../../src/broker/redis/client.ts";
import { QueueKeys } from "../../src/broker/redis/keys.ts";
import { LIMITS } from "../../src/broker/limits.ts";
import { reserve, take } from "../../src/broker/redis/reserve.ts";
import { type ScriptRunner, Scripts } from "../../src/broker/redis/scripts.ts";
import { settleCalls } from "../../src/broker/redis/settling.ts";
import { type HostPort, parseRedisDsn } from "../../src/broker/redis_dsn.ts";
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
const BATCH = { limit: MAX_BATCH_JOBS, bytes: MAX_BATCH_BYTES } as const;
const PUSHED = "bare:pushed";
const STARTED = "bare:started";

type Send = (args: string[]) => Promise<unknown>;

async function open(dsn: string): Promise<Send> {
  const address = parseRedisDsn(dsn);
  const client = new Client(address, address.place as HostPort);
  await client.open();
  return (args) => client.call(args);
}

function idOf(n: number): string {
  return `${PRODUCER}.${n}`;
}

/** Calls the scripts as the broker does. */
async function openRunner(send: Send): Promise<ScriptRunner> {
  const scripts = new Scripts();
  for (const command of scripts.loading()) await send(command);
  return {
    run: (name, keys, args) =>
      send([
        "EVALSHA",
        scripts.get(name).sha,
        String(keys.length),
        ...keys,
        ...args,
      ]),
  };
}

/** Reserves and settles; while Redis works on one batch, we do on another. */
async function drain(send: Send, order: DrainOrder): Promise<DrainAnswer> {
  const runner = await openRunner(send);
  const keys = new QueueKeys(queueName(0));
  let known = 0;
  const next = () =>
    reserve(runner, LIMITS, WORKER, keys, { ...BATCH, known, idle: false });
  const settle = async (tokens: readonly string[], from: number) => {
    const settlements = tokens.map((token, i) => ({
      kind: "done" as const,
      token,
      id: order.kept ? idOf(from + i) : undefined,
      outcome: order.kept ? "3" : undefined,
    }));
    for (
      const { keys: own, args } of settleCalls(
        keys,
        WORKER,
        settlements,
        LIMITS,
      )
    ) {
      const [removed] = await runner.run("settle", own, args) as number[];
      settled += removed;
    }
  };
  await ready();
  const firstMs = nowMs();
  const cpu = cpuSeconds();
  let settled = 0;
  let reserved = 0;
  let reply = next();
  const settles: Promise<void>[] = [];
  for (;;) {
    const { tokens } = await reply;
    if (tokens.length === 0) break;
    known += tokens.length;
    reply = next();
    settles.push(settle(tokens, reserved));
    known -= tokens.length;
    reserved += tokens.length;
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
async function takeAll(send: Send): Promise<DrainAnswer> {
  const runner = await openRunner(send);
  const keys = new QueueKeys(queueName(0));
  const next = () => take(runner, LIMITS, keys, BATCH);
  await ready();
  const firstMs = nowMs();
  const cpu = cpuSeconds();
  let counted = 0;
  for (let reply = next();;) {
    const { messages } = await reply;
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
    return order.fast ? await takeAll(send) : await drain(send, order);
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
