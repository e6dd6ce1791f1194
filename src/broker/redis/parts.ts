import type { OpenOptions } from "../open.ts";
import { LIMITS, type Limits } from "../limits.ts";
import { parseRedisDsn } from "../redis_dsn.ts";
import { ChannelWatcher } from "./channels.ts";
import type { Connection } from "./connection.ts";
import { Connector } from "./connector.ts";
import { Introductions } from "./introductions.ts";
import { KeySpace } from "./keys.ts";
import type { RedisJobStoreParts } from "./redis_job_store.ts";
import { ReplicatedConnection } from "./replicas.ts";
import { ResultLimiter } from "./results.ts";
import { RedisSchedules } from "./schedules.ts";
import { ConnectionRunner, type Scripts, type ScriptTexts } from "./scripts.ts";
import { Successors } from "./successors.ts";
import { RedisUpdates } from "./updates.ts";

/** How the Redis broker is used; what is more than the role is for tests. */
export interface RedisOptions extends OpenOptions {
  readonly limits?: Partial<Limits>;
  readonly scripts?: ScriptTexts;
  /** How long a command may stay unanswered. Default 5 s. */
  readonly deadlineMs?: number;
}

/** What the broker is made of; opens nothing. */
export class RedisParts implements RedisJobStoreParts, AsyncDisposable {
  readonly connector: Connector;
  readonly connection: Connection;
  readonly runner: ConnectionRunner;
  readonly storing: Connection;
  readonly storer: ConnectionRunner;
  readonly space: KeySpace;
  readonly limits: Limits;
  readonly introductions: Introductions;
  readonly limiter: ResultLimiter;
  readonly successors: Successors;
  readonly updates: RedisUpdates;
  readonly schedules: RedisSchedules;
  readonly #isClient: boolean;
  #channels: ChannelWatcher | undefined;

  /** @param connection One that is there already. */
  constructor(
    url: string,
    options: RedisOptions,
    scripts: Scripts,
    connection?: Connection,
  ) {
    const { prefix, replicas } = parseRedisDsn(url);
    this.#isClient = options.role === "client";
    this.connector = new Connector(url, {
      deadlineMs: options.deadlineMs,
      unrefWhenIdle: this.#isClient,
    });
    this.space = new KeySpace(prefix);
    this.limits = { ...LIMITS, ...options.limits };
    this.connection = connection ?? this.connector.connect({
      preamble: () => [
        // A client needs one or two; those are sent when they are missed.
        ...this.#isClient ? [] : scripts.loading(),
        ...this.introductions.registering(),
      ],
      onLost: () => this.introductions.forget(),
    });
    this.runner = new ConnectionRunner(this.connection, scripts);
    this.storing = replicas === 0
      ? this.connection
      : new ReplicatedConnection(this.connection, replicas);
    this.storer = new ConnectionRunner(this.storing, scripts);
    this.introductions = new Introductions(this.connection, this.space);
    this.limiter = new ResultLimiter(
      this.connection,
      this.runner,
      this.limits,
    );
    this.successors = new Successors(this.storing, this.storer, this.space);
    this.updates = new RedisUpdates(this);
    this.schedules = new RedisSchedules(this);
  }

  channels(): ChannelWatcher {
    return this.#channels ??= new ChannelWatcher(
      (own) => this.connector.connectAny(own),
      this.#isClient,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channels?.[Symbol.asyncDispose]();
    await this.limiter[Symbol.asyncDispose]();
    await this.connection[Symbol.asyncDispose]();
  }
}
