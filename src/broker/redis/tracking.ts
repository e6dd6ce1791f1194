/**
 * Waiting for jobs of many queues: the server tells of each key that changes.
 *
 * @module
 */
import { Notice } from "../../time/notice.ts";
import { sleep } from "../../time/sleep.ts";
import type { Connection, ConnectionOptions } from "./connection.ts";
import { NotSentError, ReplyError } from "./errors.ts";
import type { QueueKeys } from "./keys.ts";
import { explain } from "./scripts.ts";

/** All idle workers hear of a push; this spreads their reserves. */
const SPREAD_MS = 5;
/** What an event may have missed is looked at again. */
const LOOK_EVERY_MS = 5000;
/** Where tracking is not allowed: how often all keys are looked at. */
const POLL_MS = { least: 50, most: 250 };

type Connect = (
  options: Pick<ConnectionOptions, "onInvalidate" | "onLost">,
) => Connection;

/**
 * Waits for any number of queues over one connection. Each key is read once;
 * the server then names it when it changes, and it is read again.
 */
export class QueueTracking implements AsyncDisposable {
  readonly #connect: Connect;
  readonly #keysAtOnce: number;
  readonly #changed = new Notice();
  readonly #queues = new Map<string, QueueKeys>();
  /** Keys whose changes nobody would tell us of: to be read. */
  readonly #unread = new Set<string>();
  #connection: Connection;
  #tracks = true;
  #closed = false;

  /**
   * @param connect Makes its connection; the callbacks belong to it.
   * @param keysAtOnce How many keys one command may name.
   */
  constructor(connect: Connect, keysAtOnce: number) {
    this.#connect = connect;
    this.#keysAtOnce = keysAtOnce;
    this.#connection = this.#track();
  }

  /** See `Broker.wait`. */
  async wait(
    queues: readonly QueueKeys[],
    signal: AbortSignal,
  ): Promise<string[]> {
    for (const keys of queues) {
      if (this.#queues.has(keys.ready)) continue;
      this.#queues.set(keys.ready, keys);
      this.#unread.add(keys.ready);
    }
    const asked = new Set(queues.map(({ ready }) => ready));
    let pollMs = POLL_MS.least;
    while (!signal.aborted && !this.#closed) {
      const next = this.#changed.next();
      const unread = [...this.#unread].filter((key) => asked.has(key));
      const found = await this.#existing(unread);
      if (signal.aborted || this.#closed) break;
      if (found.length > 0) return found;
      if (await this.#pause(next, pollMs, signal)) continue;
      pollMs = Math.min(POLL_MS.most, pollMs * 2);
      for (const key of asked) this.#unread.add(key);
    }
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#changed.give();
    await this.#connection[Symbol.asyncDispose]();
  }

  /** Until something changed: `true`; or until it is time to look at all. */
  async #pause(
    next: Promise<void>,
    pollMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const end = new AbortController();
    const either = AbortSignal.any([signal, end.signal]);
    const changed = next.then(() => true);
    const timeMs = this.#tracks ? LOOK_EVERY_MS : pollMs;
    const told = await Promise.race([
      changed,
      sleep(timeMs, either).then(() => false),
    ]);
    end.abort();
    if (told && this.#tracks) await sleep(Math.random() * SPREAD_MS, signal);
    return told;
  }

  /** Which of these have jobs; what has none is told of from now on. */
  async #existing(unread: readonly string[]): Promise<string[]> {
    for (const key of unread) this.#unread.delete(key);
    try {
      const found: string[] = [];
      const chunks: (readonly string[])[] = [];
      for (let from = 0; from < unread.length; from += this.#keysAtOnce) {
        chunks.push(unread.slice(from, from + this.#keysAtOnce));
      }
      await Promise.all(chunks.map(async (keys) => {
        if (await this.#exists(keys) === 0) return;
        const each = await Promise.all(keys.map((key) => this.#exists([key])));
        for (const [i, key] of keys.entries()) {
          if (each[i] === 0) continue;
          // It may stay as it is, if another worker is faster: read it again.
          this.#unread.add(key);
          found.push(this.#queues.get(key)!.queue);
        }
      }));
      return found;
    } catch (error) {
      for (const key of unread) this.#unread.add(key);
      if (this.#tracks && isForbidden(error)) {
        this.#tracks = false;
        await this.#connection[Symbol.asyncDispose]();
        this.#connection = this.#connect({});
        return await this.#existing(unread);
      }
      throw await explain(this.#connection, error, "wait for jobs", []);
    }
  }

  async #exists(keys: readonly string[]): Promise<number> {
    return await this.#connection
      .call(keys[0], ["EXISTS", ...keys]) as number;
  }

  #track(): Connection {
    return this.#connect({
      onInvalidate: (key) => {
        if (key === null) this.#readAll();
        else if (this.#queues.has(key)) {
          this.#unread.add(key);
          this.#changed.give();
        }
      },
      onLost: () => this.#readAll(),
    });
  }

  #readAll(): void {
    for (const key of this.#queues.keys()) this.#unread.add(key);
    this.#changed.give();
  }
}

/** Whether the server does not let us track keys. */
function isForbidden(error: unknown): boolean {
  if (!(error instanceof NotSentError)) return false;
  const { cause } = error;
  return cause instanceof ReplyError && cause.command === "CLIENT" &&
    (cause.code === "NOPERM" || cause.code === "ERR");
}
