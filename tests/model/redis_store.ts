import { createHash } from "node:crypto";
import type { Broker, ReserveOnWake } from "../../src/broker/broker.ts";
import type {
  Connection,
  ServerConnection,
} from "../../src/broker/redis/connection.ts";
import { ReplyError } from "../../src/broker/redis/errors.ts";
import { KeySpace, QueueKeys } from "../../src/broker/redis/keys.ts";
import { RedisBroker } from "../../src/broker/redis/redis_broker.ts";
import { SCRIPTS } from "../../src/broker/redis/lua.ts";
import {
  type ScriptName,
  Scripts,
  type ScriptTexts,
} from "../../src/broker/redis/scripts.ts";
import type { Taken } from "./fast_jobs.ts";
import { type Ledger, Violation } from "./ledger.ts";
import type { Command, Line } from "./line.ts";
import type { Look, Store } from "./store.ts";

/** The time is one argument more, so that the model turns the clock. */
const CLOCK = `local model_ms = tonumber(table.remove(ARGV))
local function now_ms() return model_ms end
`;

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

const LOOK = `
local prefix, seen = KEYS[1], {}
for _, name in ipairs({ 'ready', 'inbox', 'suspect', 'crashed' }) do
  seen[#seen + 1] = redis.call('LRANGE', prefix .. name, 0, -1)
end
for _, name in ipairs({ 'scheduled', 'retry', 'lone', 'failed' }) do
  seen[#seen + 1] = redis.call('ZRANGE', prefix .. name, 0, -1)
end
seen[#seen + 1] = redis.call('ZRANGE', prefix .. 'workers', 0, -1, 'WITHSCORES')
for _, worker in ipairs(ARGV) do
  seen[#seen + 1] = redis.call('HGETALL', prefix .. 'held:' .. worker)
end
return seen`;

const PLACES = [
  "ready",
  "inbox",
  "suspect",
  "crashed",
  "scheduled",
  "retry",
  "lone",
];

const TOKEN = /^\d+:\d+(:[a-z])?$/;

/** What the runs of one server share. */
export interface RedisParts {
  readonly connection: ServerConnection;
  readonly scripts: Scripts;
  /** Name of the script with this digest. */
  readonly names: ReadonlyMap<string, ScriptName>;
  /** Digests of those that ask for the time. */
  readonly timed: ReadonlySet<string>;
  /** Digest of the script that looks at all of a queue. */
  readonly look: string;
  /** Changes a command before it leaves a process: breaks the protocol on purpose. */
  readonly tamper?: (name: string, owner: string, args: string[]) => void;
}

/** Loads the scripts with the model's clock, some of them perhaps broken. */
export async function loadScripts(
  connection: ServerConnection,
  broken: ScriptTexts["scripts"] = {},
): Promise<Omit<RedisParts, "connection">> {
  const scripts = new Scripts({ clock: CLOCK, scripts: broken, sha1 });
  const load = (text: string): Promise<unknown> =>
    connection.call(undefined, ["SCRIPT", "LOAD", text]);
  const names = new Map<string, ScriptName>();
  const timed = new Set<string>();
  for (const name of Object.keys(SCRIPTS) as ScriptName[]) {
    const { text, sha } = scripts.get(name);
    names.set(sha, name);
    if (text.includes("now_ms()")) timed.add(sha);
    await load(text);
  }
  return { scripts, names, timed, look: await load(LOOK) as string };
}

/** Queues of a real Redis server. */
export class RedisStore implements Store {
  readonly queues: readonly string[];
  clockMs = 0;
  readonly #parts: RedisParts;
  readonly #ledger: Ledger;
  readonly #keys: ReadonlyMap<string, QueueKeys>;

  constructor(parts: RedisParts, queues: readonly string[], ledger: Ledger) {
    this.#parts = parts;
    this.#ledger = ledger;
    this.queues = queues;
    this.#keys = new Map(queues.map((queue) => [queue, new QueueKeys(queue)]));
  }

  broker(line: Line): Broker {
    const call = (args: readonly string[]) =>
      line.send(this.#command(line.owner, [...args]));
    const connection: Connection = {
      call: (_key, args) => call(args),
      callAll: (_key, commands) => Promise.all(commands.map(call)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const { scripts } = this.#parts;
    return new RedisBroker("redis://model", {}, scripts, connection);
  }

  push(line: Line, queue: string, message: string): Promise<unknown> {
    const { ready } = this.#keys.get(queue)!;
    return line.send(this.#command(line.owner, ["RPUSH", ready, message]));
  }

  async wake(
    line: Line,
    queue: string,
    onWake?: ReserveOnWake,
  ): Promise<boolean> {
    const moved = this.#move(line, queue);
    const request = onWake?.request(queue);
    const reserved = request === undefined
      ? undefined
      : this.broker(line).reserve(onWake!.worker, queue, request);
    const [, reply] = await Promise.allSettled([moved, reserved]);
    const batch = reply.status === "fulfilled" ? reply.value : undefined;
    if (batch === undefined || batch.tokens.length === 0) return await moved;
    request!.reserved(batch);
    return false;
  }

  async #move(line: Line, queue: string): Promise<boolean> {
    const { ready, inbox } = this.#keys.get(queue)!;
    try {
      return await line.send(
        this.#command(line.owner, ["LMOVE", ready, inbox, "LEFT", "RIGHT"]),
      ) !== null;
    } catch (error) {
      // A full server lets nobody wait.
      if (error instanceof ReplyError && error.code === "OOM") return false;
      throw error;
    }
  }

  async look(workers: readonly string[]): Promise<Look> {
    const looks = await Promise.all(
      this.queues.map((queue) => this.#look(queue, workers)),
    );
    return {
      waiting: looks.flatMap(({ waiting }) => waiting),
      held: looks.flatMap(({ held }) => held),
      failed: looks.flatMap(({ failed }) => failed),
      places: new Map(looks.flatMap(({ places }) => [...places])),
    };
  }

  async #look(queue: string, workers: readonly string[]): Promise<Look> {
    const seen = await this.#parts.connection.call(
      undefined,
      ["EVALSHA", this.#parts.look, "1", prefixOf(queue), ...workers],
    ) as string[][];
    const waiting = PLACES.flatMap((place, i) =>
      seen[i].map((message) => ({ queue, place, message }))
    );
    const held = workers.flatMap((worker, i) => {
      const pairs = seen[9 + i];
      return pairs.flatMap((token, at) =>
        at % 2 === 0 ? [{ queue, worker, token, message: pairs[at + 1] }] : []
      );
    });
    const places = new Map<string, "living" | "dead">();
    for (let i = 0; i < seen[8].length; i += 2) {
      const state = Number(seen[8][i + 1]) < 0 ? "dead" : "living";
      places.set(`${queue} ${seen[8][i]}`, state);
    }
    const failed = seen[7].map((entry) => ({ queue, entry }));
    return { waiting, held, failed, places };
  }

  async age(queue: string, worker: string): Promise<number | undefined> {
    const { connection } = this.#parts;
    const { meta, workers } = this.#keys.get(queue)!;
    const [tick, place] = await Promise.all([
      connection.call(meta, ["HGET", meta, "tick"]),
      connection.call(workers, ["ZSCORE", workers, worker]),
    ]);
    if (place === null || Number(place) < 0) return undefined;
    return Number(tick) - Number(place);
  }

  async holds(
    queue: string,
    worker: string,
    token: string,
  ): Promise<string | null> {
    const key = this.#keys.get(queue)!.held(worker);
    return await this.#parts.connection.call(key, ["HGET", key, token]) as
      | string
      | null;
  }

  async limitMemory(full: boolean): Promise<void> {
    const limit = full ? "1" : "0";
    await this.#parts.connection.call(
      undefined,
      ["CONFIG", "SET", "maxmemory", limit],
    );
  }

  async leftovers(): Promise<string[]> {
    const keys = await this.#allKeys();
    const fine = /:(failed|meta|buckets|results:.*|once:.*)$/;
    return keys.filter((key) => !fine.test(key));
  }

  async clean(): Promise<void> {
    const { connection } = this.#parts;
    const keys = await this.#allKeys();
    await Promise.all([
      connection.call(undefined, ["UNLINK", "none", ...keys]),
      connection.call(undefined, [
        "SREM",
        new KeySpace().queues,
        ...this.queues,
      ]),
    ]);
  }

  async #allKeys(): Promise<string[]> {
    const { connection } = this.#parts;
    const found = await Promise.all(
      this.queues.map((queue) =>
        connection.call(undefined, ["KEYS", `${prefixOf(queue)}*`])
      ),
    ) as string[][];
    return found.flat();
  }

  #command(owner: string, args: string[]): Command {
    const { names, tamper } = this.#parts;
    const name = names.get(args[1]) ?? args[0];
    tamper?.(name, owner, args);
    const enqueues = name === "RPUSH" || name === "schedule" ||
      name === "enqueue_tied";
    const taken: Taken[] = [];
    return {
      lost: () => taken.forEach((one) => this.#ledger.fast.answerLost(one)),
      text: name + " " + brief(args),
      // A second copy of these is a second job.
      onceOnly: name === "RPUSH" || name === "schedule",
      run: () =>
        name === "settle"
          ? this.#settle(args)
          : name === "take"
          ? this.#take(owner, args, taken)
          : enqueues
          ? this.#enqueue(owner, name, args)
          : names.has(args[1])
          ? this.#script(name, args)
          : this.#run(args),
    };
  }

  /** A worker's script is never refused, however full the server is. */
  async #script(name: string, args: string[]): Promise<unknown> {
    try {
      return await this.#run(args);
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
      if (error.code === "FENCED" || error.code === "MISMATCH") throw error;
      throw new Violation(`${name} was refused: ${error.message}`);
    }
  }

  #run(args: string[]): Promise<unknown> {
    const { connection, timed } = this.#parts;
    return connection.call(
      undefined,
      timed.has(args[1]) ? [...args, String(this.clockMs)] : args,
    );
  }

  /** Looks at what is held before, so that it is known what the script ended. */
  async #settle(args: string[]): Promise<unknown> {
    const tokens = args.filter((text) => TOKEN.test(text));
    // A fast worker stores outcomes: it holds nothing.
    if (tokens.length === 0) return await this.#script("settle", args);
    const [, , , meta, , held] = args;
    const queue = this.queues.find((one) => this.#keys.get(one)!.meta === meta);
    if (queue === undefined) throw new Error(`not ours: ${meta}`);
    const before = this.#parts.connection.call(held, [
      "HMGET",
      held,
      ...tokens,
    ]);
    const reply = this.#script("settle", args);
    const messages = await before as (string | null)[];
    const answer = await reply;
    const worker = held.slice(this.#keys.get(queue)!.held("").length);
    tokens.forEach((token, i) => {
      const message = messages[i];
      if (message !== null) {
        this.#ledger.settled(worker, queue, token, message);
      }
    });
    return answer;
  }

  async #take(
    owner: string,
    args: string[],
    taken: Taken[],
  ): Promise<unknown> {
    const reply = await this.#script("take", args) as [string[], ...unknown[]];
    const [messages] = reply;
    if (messages.length > 0) {
      taken.push(this.#ledger.fast.took(owner, messages));
    }
    return reply;
  }

  async #enqueue(
    owner: string,
    name: string,
    args: string[],
  ): Promise<unknown> {
    const reply = await this.#run(args);
    for (const message of args.slice(2)) {
      if (!message.includes('"args"')) continue;
      // A second one with the same idempotency key stores nothing.
      if (name === "enqueue_tied" && this.#ledger.of(message).born > 0) {
        continue;
      }
      this.#ledger.stored(owner, message);
    }
    return reply;
  }
}

function prefixOf(queue: string): string {
  return `mqk:{${queue}}:`;
}

/** Arguments without keys and long texts. */
function brief(args: readonly string[]): string {
  return args.slice(3).filter((text) => !text.startsWith("mqk:"))
    .map((text) => /"args\\?":\[\\?"(\w+)/.exec(text)?.[1] ?? text)
    .join(" ").slice(0, 160);
}
