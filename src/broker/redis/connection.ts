/**
 * One connection to Redis: opened when it is needed, given up when an answer
 * is late, and opened anew for the next call. What was sent is never sent
 * again.
 *
 * @module
 */
import { deadline } from "../../time/deadline.ts";
import { BrokerUnavailableError } from "../broker.ts";
import { hidePassword } from "../../hide_password.ts";
import {
  type HostPort,
  parseRedisDsn,
  type RedisAddress,
  type SocketPath,
} from "../redis_dsn.ts";
import { Client } from "./client.ts";
import { isLater, NotSentError, ReplyError } from "./errors.ts";
import { findMaster, isMaster } from "./sentinel.ts";
import { nameOf } from "./topology.ts";

/** What the rest of the broker needs of a Redis client. */
export interface Connection extends AsyncDisposable {
  /** Opens it now, if the first call would. */
  open?(): Promise<void>;
  /**
   * Sends one command; commands are sent in the order of the calls.
   *
   * @param key A key of the command: on a cluster it says which node.
   * @throws {ReplyError} If the server answered with an error.
   * @throws {NotSentError} If it was not sent.
   * @throws {BrokerUnavailableError} If it is uncertain whether it ran.
   */
  call(key: string | undefined, args: readonly string[]): Promise<unknown>;
  /**
   * Sends several commands right behind each other to one node; rejects as the
   * first of them that failed.
   */
  callAll(
    key: string | undefined,
    commands: readonly (readonly string[])[],
  ): Promise<unknown[]>;
  /** The server may be no master any more: the next call asks which one is. */
  doubt?(reason: string): void;
}

/** What connections know of the master that Sentinel names; they share it. */
export interface KnownMaster {
  /** Host and port, where one of them has found it last. */
  name?: string;
}

/** How a connection is kept. */
export interface ConnectionOptions {
  /** `redis://...` or another of `redis_dsn.ts`. */
  readonly url: string;
  /** The node to connect to, or how to find one, if the URL names a cluster. */
  readonly node?: HostPort | (() => Promise<HostPort>);
  /** With Sentinel: where the connections beside this one are. */
  readonly master?: KnownMaster;
  /** How long the oldest call may wait for any answer. Default 5 s. */
  readonly deadlineMs?: number;
  /** How long it may be idle before it is asked whether it is alive. Default 30 s. */
  readonly pingAfterMs?: number;
  /** How long opening may take. Default 4 s. */
  readonly connectMs?: number;
  /** Whether it keeps the program alive only while a call is pending. */
  readonly unrefWhenIdle?: boolean;
  /** Commands to send right after opening; their errors are ignored. */
  readonly preamble?: () => readonly (readonly string[])[];
  /** Asks for tracking, and hears of each key that changed. */
  readonly onInvalidate?: (key: string | null) => void;
  /** Called when an open connection is lost. */
  readonly onLost?: () => void;
}

const WATCH_EVERY_MS = 500;
/** What lies between forgets a connection that is silent for minutes. */
const PING_AFTER_MS = 30_000;

/** A connection to one server. */
export class ServerConnection implements Connection {
  readonly #options: ConnectionOptions;
  #client: Client | undefined;
  #masterName: string | undefined;
  #opening: Promise<Client> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #pending = 0;
  #silentTicks = 0;
  #idleTicks = 0;
  #dropReason: string | undefined;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** The node that was asked for, of a cluster. */
  get node(): HostPort | undefined {
    const { node } = this.#options;
    return typeof node === "function" ? undefined : node;
  }

  async open(): Promise<void> {
    this.#begin();
    try {
      if (this.#current() === undefined) await this.#open();
    } finally {
      this.#end();
    }
  }

  async call(
    _key: string | undefined,
    args: readonly string[],
  ): Promise<unknown> {
    this.#begin();
    let sent = false;
    try {
      const client = this.#current() ?? await this.#open();
      sent = true;
      return await client.call(args);
    } catch (error) {
      throw sent ? this.#translate(error, args[0]) : error;
    } finally {
      this.#end();
    }
  }

  async callAll(
    key: string | undefined,
    commands: readonly (readonly string[])[],
  ): Promise<unknown[]> {
    // In one turn, so that nothing comes between them.
    const replies = await Promise.allSettled(
      commands.map((args) => this.call(key, args)),
    );
    return replies.map((reply) => {
      if (reply.status === "rejected") throw reply.reason;
      return reply.value;
    });
  }

  /** Calls `listener` for each message of `channel`, until the next loss. */
  async subscribe(
    channel: string,
    listener: (text: string) => void,
  ): Promise<void> {
    this.#begin();
    try {
      const client = this.#current() ?? await this.#open();
      await client.subscribe(channel, listener);
    } catch (error) {
      throw this.#translate(error, "SUBSCRIBE");
    } finally {
      this.#end();
    }
  }

  /** Ends what {@linkcode subscribe} began; another may begin at once. */
  async unsubscribe(
    channel: string,
    listener: (text: string) => void,
  ): Promise<void> {
    this.#begin();
    try {
      await this.#client?.unsubscribe(channel, listener);
    } catch (error) {
      throw this.#translate(error, "UNSUBSCRIBE");
    } finally {
      this.#end();
    }
  }

  doubt(reason: string): void {
    if (this.#options.master !== undefined) this.#drop(reason);
  }

  /** The open client, unless another connection has found another master. */
  #current(): Client | undefined {
    if (this.#masterName !== this.#options.master?.name) {
      this.#drop("there is another master");
    }
    return this.#client;
  }

  /** Gives the present connection up; the next call opens another. */
  #drop(reason: string): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#dropReason = reason;
    this.#lost(client);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#drop("it was closed");
    return Promise.resolve();
  }

  #open(): Promise<Client> {
    return this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
  }

  async #connect(): Promise<Client> {
    if (this.#closed) throw new NotSentError("Cannot use a closed connection");
    const { url, node, master, onInvalidate, preamble } = this.#options;
    const address = parseRedisDsn(url);
    const { place } = address;
    const server = this.node === undefined
      ? address.server
      : `node ${nameOf(this.node)}`;
    const connectMs = this.#options.connectMs ?? 4000;
    let client: Client | undefined;
    let found: string | undefined;
    try {
      const target = this.node ?? await deadline(
        typeof node === "function" ? node() : find(address),
        connectMs,
        `asking for the ${server}`,
      );
      if ("host" in target) found = nameOf(target);
      const opened = client = new Client(address, target, {
        onInvalidate,
        onLost: () => {
          if (this.#client === opened) this.#lost(opened);
        },
      });
      const reach = async () => {
        await opened.open();
        if ("sentinels" in place && !await isMaster(opened)) {
          throw new Error("the server that Sentinel names is no master now");
        }
      };
      await deadline(reach(), connectMs, `connecting to ${server}`);
      // Lost meanwhile: from here on `onLost` tells.
      if (opened.end !== undefined) throw opened.end;
    } catch (error) {
      client?.close();
      const reason = error instanceof Error ? error.message : String(error);
      throw new NotSentError(
        `Cannot reach Redis at ${server}: ${hidePassword(reason)}`,
        { cause: error },
      );
    }
    if (this.#closed) {
      client.close();
      throw new NotSentError("Cannot use a closed connection");
    }
    for (const command of preamble?.() ?? []) {
      client.call(command).catch(() => {});
    }
    this.#client = client;
    if (master !== undefined) master.name = this.#masterName = found;
    this.#dropReason = undefined;
    this.#silentTicks = 0;
    this.#watch = setInterval(() => this.#look(), WATCH_EVERY_MS);
    // A pending call keeps its socket, and so the program, alive by itself.
    Deno.unrefTimer(this.#watch);
    return client;
  }

  /** Counts turns of silence, not time: a blocked program is not a slow server. */
  #look(): void {
    if (this.#pending === 0) {
      const { pingAfterMs = PING_AFTER_MS } = this.#options;
      if (++this.#idleTicks * WATCH_EVERY_MS < pingAfterMs) return;
      return void this.call(undefined, ["PING"]).catch(() => {});
    }
    const limitMs = this.#options.deadlineMs ?? 5000;
    if (++this.#silentTicks * WATCH_EVERY_MS > limitMs) {
      this.#drop(`no answer in ${limitMs} ms`);
    }
  }

  #begin(): void {
    if (this.#pending++ === 0) {
      this.#silentTicks = 0;
      if (this.#options.unrefWhenIdle) this.#client?.ref();
    }
  }

  #end(): void {
    this.#silentTicks = 0;
    this.#idleTicks = 0;
    if (--this.#pending === 0 && this.#options.unrefWhenIdle) {
      this.#client?.unref();
    }
  }

  #lost(client: Client): void {
    this.#client = undefined;
    clearInterval(this.#watch);
    client.close();
    if (!this.#closed) this.#options.onLost?.();
  }

  #translate(error: unknown, command: string): Error {
    if (error instanceof ReplyError) {
      // TRYAGAIN is about one slot that moves: the others are served.
      if (isLater(error) && error.code !== "TRYAGAIN") {
        this.#drop(error.message);
      }
      return error;
    }
    if (error instanceof BrokerUnavailableError) return error;
    const reason = this.#dropReason ?? (error as Error).message;
    return new BrokerUnavailableError(
      `No answer to ${command}: the connection was lost (${
        hidePassword(reason)
      })`,
      { cause: error },
    );
  }
}

/** The server that an address means at this moment. */
async function find(address: RedisAddress): Promise<HostPort | SocketPath> {
  const { place } = address;
  if ("sentinels" in place) return await findMaster(address, place);
  if ("seeds" in place) throw new Error("a cluster has many servers");
  return place;
}
