/**
 * Stored outcomes: reading them, hearing of new ones, removing old ones.
 *
 * @module
 */
import { backoffMs } from "../../time/backoff.ts";
import type { ResultsChanged } from "../broker.ts";
import type { Connection, ServerConnection } from "./connection.ts";
import { type QueueKeys, splitId } from "./keys.ts";
import type { Limits } from "../limits.ts";
import { explain, type ScriptRunner } from "./scripts.ts";

/** Reads outcomes, `null` where there is none. */
export async function readResults(
  connection: Connection,
  keys: QueueKeys,
  ids: readonly string[],
): Promise<(string | null)[]> {
  const buckets = new Map<string, { fields: string[]; places: number[] }>();
  for (const [place, id] of ids.entries()) {
    const { bucket: name, field } = splitId(id);
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      buckets.set(name, bucket = { fields: [], places: [] });
    }
    bucket.fields.push(field);
    bucket.places.push(place);
  }
  const found: (string | null)[] = new Array(ids.length).fill(null);
  await Promise.all([...buckets].map(async ([name, { fields, places }]) => {
    const key = keys.results(name);
    const values = await connection.call(key, ["HMGET", key, ...fields])
      .catch(async (error) => {
        throw await explain(connection, error, "read results", [key]);
      });
    for (const [i, value] of (values as (string | null)[]).entries()) {
      found[places[i]] = value;
    }
  }));
  return found;
}

/** Keeps the stored outcomes of queues within their limits. */
export class ResultLimiter implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #runner: ScriptRunner;
  readonly #limits: Limits;
  readonly #running = new Map<string, Promise<void>>();

  constructor(connection: Connection, runner: ScriptRunner, limits: Limits) {
    this.#connection = connection;
    this.#runner = runner;
    this.#limits = limits;
  }

  /** Removes the oldest buckets, in the background, if too much is stored. */
  check(keys: QueueKeys, results: number, bytes: number): void {
    if (!this.#above(results, bytes) || this.#running.has(keys.queue)) return;
    const run = this.#shrink(keys)
      // The next settle finds the same and tries again.
      .catch(() => {})
      .finally(() => this.#running.delete(keys.queue));
    this.#running.set(keys.queue, run);
  }

  /** Removes buckets: name, last write, name, last write, ... */
  async evict(keys: QueueKeys, buckets: readonly string[]): Promise<number[]> {
    const names = buckets.filter((_, i) => i % 2 === 0);
    const reply = await this.#runner.run("evict", [
      keys.meta,
      keys.buckets,
      ...names.map((name) => keys.results(name)),
    ], buckets);
    return reply as number[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #shrink(keys: QueueKeys): Promise<void> {
    for (;;) {
      const oldest = await this.#connection.call(
        keys.buckets,
        ["ZRANGE", keys.buckets, "0", "7", "WITHSCORES"],
      ) as [string, number][];
      if (oldest.length === 0) return;
      const [, results, bytes] = await this.evict(
        keys,
        oldest.flatMap(([name, at]) => [name, String(at)]),
      );
      if (!this.#above(results, bytes)) return;
    }
  }

  #above(results: number, bytes: number): boolean {
    return results > this.#limits.results || bytes > this.#limits.resultBytes;
  }
}

interface Channel {
  readonly name: string;
  readonly listeners: Set<ResultsChanged>;
  /** What the connection calls with the text of an event. */
  readonly heard: (text: string) => void;
  /** Confirmed on the present connection, or on its way. */
  subscribed: Promise<void> | undefined;
}

/** How often a connection without events is asked whether it is alive. */
const PING_EVERY_MS = 5000;

/** Hears of stored outcomes, on one connection for all who wait. */
export class ResultWatcher implements AsyncDisposable {
  readonly #connection: ServerConnection;
  readonly #channels = new Map<string, Channel>();
  readonly #background: boolean;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #tries = 0;
  #closed = false;

  /**
   * @param open Makes its connection; `onLost` belongs to it.
   * @param background Whether it never keeps the program alive.
   */
  constructor(
    open: (options: { onLost: () => void }) => ServerConnection,
    background: boolean,
  ) {
    this.#connection = open({ onLost: () => this.#lost() });
    this.#background = background;
  }

  /** See `Broker.watchResults`. */
  async watch(
    channelName: string,
    changed: ResultsChanged,
  ): Promise<AsyncDisposable> {
    let channel = this.#channels.get(channelName);
    if (channel === undefined) {
      channel = newChannel(channelName);
      this.#channels.set(channelName, channel);
    }
    // Each watch is its own, even if the same function watches twice.
    const listener: ResultsChanged = (...news) => changed(...news);
    channel.listeners.add(listener);
    try {
      await this.#subscribe(channel);
    } catch (error) {
      await this.#leave(channel, listener);
      throw error;
    }
    if (this.#ping === undefined && !this.#closed) {
      this.#ping = setInterval(() => {
        this.#connection.call(undefined, ["PING"]).catch(() => {});
      }, PING_EVERY_MS);
      Deno.unrefTimer(this.#ping);
    }
    return {
      [Symbol.asyncDispose]: () => this.#leave(channel, listener),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#ping);
    this.#channels.clear();
    await this.#connection[Symbol.asyncDispose]();
  }

  #subscribe(channel: Channel): Promise<void> {
    return channel.subscribed ??= this.#connection
      .subscribe(channel.name, channel.heard)
      .catch((error) => {
        channel.subscribed = undefined;
        throw error;
      });
  }

  async #leave(channel: Channel, listener: ResultsChanged): Promise<void> {
    channel.listeners.delete(listener);
    if (channel.listeners.size > 0) return;
    if (this.#channels.get(channel.name) !== channel) return;
    this.#channels.delete(channel.name);
    if (this.#channels.size === 0) {
      clearInterval(this.#ping);
      this.#ping = undefined;
    }
    if (channel.subscribed === undefined || this.#closed) return;
    // A connection that is lost has no subscription any more.
    await this.#connection.unsubscribe(channel.name, channel.heard)
      .catch(() => {});
  }

  #lost(): void {
    for (const channel of this.#channels.values()) {
      channel.subscribed = undefined;
    }
    if (this.#channels.size > 0) this.#resubscribeLater();
  }

  #resubscribeLater(): void {
    if (this.#closed || this.#retry !== undefined) return;
    const delayMs = backoffMs(this.#tries++, { minMs: 50, maxMs: 2000 });
    this.#retry = setTimeout(() => this.#resubscribe(), delayMs);
    if (this.#background) Deno.unrefTimer(this.#retry);
  }

  async #resubscribe(): Promise<void> {
    this.#retry = undefined;
    const channels = [...this.#channels.values()];
    try {
      await Promise.all(channels.map((channel) => this.#subscribe(channel)));
    } catch {
      return this.#resubscribeLater();
    }
    this.#tries = 0;
    // What was stored in between was heard by nobody.
    for (const channel of channels) {
      for (const listener of channel.listeners) listener();
    }
  }
}

function newChannel(name: string): Channel {
  const listeners = new Set<ResultsChanged>();
  return {
    name,
    listeners,
    heard(text) {
      const [numbers, outcomes] = readNews(text);
      for (const listener of listeners) listener(numbers, outcomes);
    },
    subscribed: undefined,
  };
}

/** Numbers with commas between them, and perhaps a line with their outcomes. */
function readNews(text: string): Parameters<ResultsChanged> {
  const [numbers, outcomes] = text.split("\n", 2);
  return [
    numbers.split(",").map(Number),
    outcomes === undefined ? undefined : JSON.parse(outcomes),
  ];
}
