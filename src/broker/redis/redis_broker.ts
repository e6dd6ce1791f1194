import { BrokerError } from "../../errors.ts";
import {
  type Batch,
  type Broker,
  type Cancellation,
  type Cancelled,
  type Counts,
  type Entry,
  LEASE_TICKS,
  type OutcomeRecord,
  type Reaped,
  type Renewal,
  type ReserveOnWake,
  type ReserveRequest,
  type ResultsChanged,
  type Settlement,
  type Taken,
} from "../broker.ts";
import type { Ties } from "../../job/ties.ts";
import type { Dsn } from "../dsn.ts";
import type { OpenOptions } from "../open.ts";
import { parseRedisDsn } from "../redis_dsn.ts";
import { readCancelled } from "./cancelling.ts";
import { ChannelWatcher } from "./channels.ts";
import type { Connection } from "./connection.ts";
import { Connector } from "./connector.ts";
import { RedisControl } from "./control.ts";
import { readCounts } from "./counts.ts";
import { Introductions } from "./introductions.ts";
import { KeySpace, type QueueKeys } from "./keys.ts";
import { LIMITS, type Limits } from "../limits.ts";
import { reap } from "./reap.ts";
import { reconcile } from "./reconcile.ts";
import { RedisJobStore } from "./redis_job_store.ts";
import { ReplicatedConnection } from "./replicas.ts";
import { reserve, take } from "./reserve.ts";
import { ResultLimiter } from "./results.ts";
import {
  ConnectionRunner,
  explain,
  Scripts,
  type ScriptTexts,
} from "./scripts.ts";
import { recordCalls, type SettleCall, settleCalls } from "./settling.ts";
import { Successors } from "./successors.ts";
import { inOrder } from "./tokens.ts";
import { RedisUpdates } from "./updates.ts";
import { Waiting } from "./waiting.ts";
import { readWarnings } from "./warnings.ts";

/** How the Redis broker is used; what is more than the role is for tests. */
export interface RedisOptions extends OpenOptions {
  readonly limits?: Partial<Limits>;
  readonly scripts?: ScriptTexts;
  /** How long a command may stay unanswered. Default 5 s. */
  readonly deadlineMs?: number;
}

/** How long the record of a worker's health is kept. */
const HEALTH_SECONDS = 60;

/**
 * The broker on one Redis server (6.2 or later) or Valkey: each verb is one
 * script, and all that a worker changes goes over one connection, in order.
 */
export class RedisBroker implements Broker {
  readonly control: RedisControl;
  readonly updates: RedisUpdates;
  readonly #connector: Connector;
  readonly #limits: Limits;
  readonly #connection: Connection;
  readonly #runner: ConnectionRunner;
  readonly #introductions: Introductions;
  readonly #limiter: ResultLimiter;
  readonly #space: KeySpace;
  readonly #waiting: Waiting;
  readonly #successors: Successors;
  readonly #store: RedisJobStore;
  readonly #isClient: boolean;
  #watcher: ChannelWatcher | undefined;

  /**
   * Opens nothing. `connection` is one that is there already, for tests that
   * lose commands on their way.
   */
  constructor(
    url: string,
    options: RedisOptions,
    scripts: Scripts = new Scripts(options.scripts),
    connection?: Connection,
  ) {
    const { prefix, replicas } = parseRedisDsn(url);
    this.#isClient = options.role === "client";
    this.#connector = new Connector(url, {
      deadlineMs: options.deadlineMs,
      unrefWhenIdle: this.#isClient,
    });
    this.#space = new KeySpace(prefix);
    this.#limits = { ...LIMITS, ...options.limits };
    this.#connection = connection ?? this.#connector.connect({
      preamble: () => [
        // A client needs one or two; those are sent when they are missed.
        ...this.#isClient ? [] : scripts.loading(),
        ...this.#introductions.registering(),
      ],
      onLost: () => this.#introductions.forget(),
    });
    this.#runner = new ConnectionRunner(this.#connection, scripts);
    this.#introductions = new Introductions(this.#connection, this.#space);
    // Jobs are stored over one that counts only what enough replicas have.
    const storing = replicas === 0
      ? this.#connection
      : new ReplicatedConnection(this.#connection, replicas);
    const storer = new ConnectionRunner(storing, scripts);
    this.#successors = new Successors(storing, storer, this.#space);
    this.updates = new RedisUpdates({
      connection: this.#connection,
      runner: this.#runner,
      space: this.#space,
      limits: this.#limits,
      channels: () => this.#channels(),
    });
    this.#store = new RedisJobStore({
      connection: this.#connection,
      runner: this.#runner,
      storing,
      storer,
      space: this.#space,
      introductions: this.#introductions,
      successors: this.#successors,
      updates: this.updates,
      channels: () => this.#channels(),
    });
    this.control = new RedisControl(
      this.#connection,
      this.#runner,
      this.#space,
    );
    this.#limiter = new ResultLimiter(
      this.#connection,
      this.#runner,
      this.#limits,
    );
    this.#waiting = new Waiting({
      connect: (own) => this.#connector.connect(own),
      // Keys of different slots are not asked for with one command.
      keysAtOnce: this.#connector.isCluster ? 1 : 1000,
      pass: (queue) => this.pass(queue),
      reserve: (connection, worker, keys, request) =>
        reserve(
          new ConnectionRunner(connection, scripts),
          this.#limits,
          worker,
          keys,
          request,
        ),
    });
  }

  /**
   * Connects; see `openBroker`.
   *
   * @throws {BrokerError} If the server can't be reached or refuses us.
   */
  static async open(
    { url }: Extract<Dsn, { kind: "redis" }>,
    options: RedisOptions = {},
  ): Promise<RedisBroker> {
    const broker = new RedisBroker(url, options);
    try {
      await broker.#connection.open?.();
    } catch (error) {
      await broker[Symbol.asyncDispose]();
      throw new BrokerError((error as Error).message, { cause: error });
    }
    return broker;
  }

  async register(queues: readonly string[]): Promise<void> {
    await Promise.all(
      queues.map((queue) =>
        this.#introductions.register(this.#space.of(queue))
      ),
    );
  }

  async queues(): Promise<string[]> {
    const { queues } = this.#space;
    try {
      const names = await this.#connection
        .call(queues, ["SMEMBERS", queues]) as string[];
      return names.sort();
    } catch (error) {
      throw await explain(this.#connection, error, "list queues", [queues]);
    }
  }

  enqueue(entries: readonly Entry[]): Promise<string[]> {
    return this.#store.enqueue(entries);
  }

  results(queue: string, ids: readonly string[]): Promise<(string | null)[]> {
    return this.#store.results(queue, ids);
  }

  watchResults(
    queue: string,
    producer: string,
    changed: ResultsChanged,
  ): Promise<AsyncDisposable> {
    return this.#store.watchResults(queue, producer, changed);
  }

  cancel(queue: string, jobs: readonly Cancellation[]): Promise<boolean[]> {
    return this.#store.cancel(queue, jobs);
  }

  cancelled(queue: string, after: number): Promise<Cancelled> {
    return readCancelled(this.#connection, this.#space.of(queue), after);
  }

  async unlock(queue: string, { id, unique }: Ties): Promise<void> {
    const keys = this.#space.of(queue);
    if (unique === undefined) return;
    await this.#runner.run("unlock", [keys.meta, keys.unique], [unique, id]);
  }

  reserve(
    worker: string,
    queue: string,
    request: ReserveRequest,
  ): Promise<Batch> {
    const keys = this.#space.of(queue);
    return reserve(this.#runner, this.#limits, worker, keys, request);
  }

  async begin(worker: string, queue: string, token: string): Promise<string> {
    const lease = this.#space.of(queue).lease(worker);
    return await this.#runner.run("begin", lease, [
      worker,
      token,
      token.replace(/:s$/, ":r"),
    ]) as string;
  }

  async settle(
    worker: string,
    queue: string,
    settlements: readonly Settlement[],
  ): Promise<number> {
    const keys = this.#space.of(queue);
    const calls = settleCalls(keys, worker, settlements, this.#limits);
    return await this.#settle(keys, calls);
  }

  async release(
    worker: string,
    queue: string,
    tokens: readonly string[],
  ): Promise<void> {
    const keys = this.#space.of(queue);
    await this.#runner.run(
      "release",
      [...keys.lease(worker), keys.ready, keys.suspect, keys.crashed],
      [worker, ...inOrder(tokens)],
    );
  }

  async renew(worker: string, queues: readonly string[]): Promise<Renewal[]> {
    return await Promise.all(queues.map(async (queue) => {
      const lease = this.#space.of(queue).lease(worker);
      const [held, schema, cancels] = await this.#runner
        .run("renew", lease, [worker]) as number[];
      return { held, schema, cancels };
    }));
  }

  async reconcile(
    worker: string,
    queue: string,
    tokens: readonly string[],
  ): Promise<string[]> {
    const keys = this.#space.of(queue);
    return await reconcile(this.#connection, {
      worker,
      workers: keys.workers,
      held: keys.held(worker),
      tokens,
      release: (unknown) => this.release(worker, queue, unknown),
    });
  }

  async recover(
    worker: string,
    queue: string,
    reason: "replaced" | "lapsed",
  ): Promise<number> {
    const keys = this.#space.of(queue);
    return await this.#runner.run(
      "recover",
      [...keys.lease(worker), keys.suspect, keys.crashed],
      [worker, reason, String(LEASE_TICKS)],
    ) as number;
  }

  async reap(queue: string): Promise<Reaped> {
    const keys = this.#space.of(queue);
    const { expired, blocked, arrivals, ...reaped } = await reap(
      this.#runner,
      this.#limits,
      keys,
    );
    if (arrivals > 0) await this.#successors.deliver(keys);
    if (blocked.length > 0) await this.#successors.look(keys, blocked);
    if (expired.length > 0) await this.#limiter.evict(keys, expired);
    return reaped;
  }

  async wait(
    queues: readonly string[],
    signal: AbortSignal,
    onWake?: ReserveOnWake,
  ): Promise<string[]> {
    return await this.#waiting
      .wait(queues.map((queue) => this.#space.of(queue)), signal, onWake);
  }

  async pass(queue: string): Promise<void> {
    const { meta, inbox, ready } = this.#space.of(queue);
    await this.#runner.run("pass", [meta, inbox, ready], []);
  }

  take(queue: string, limit: number, bytes: number): Promise<Taken> {
    const keys = this.#space.of(queue);
    return take(this.#runner, this.#limits, keys, { limit, bytes });
  }

  async record(
    queue: string,
    outcomes: readonly OutcomeRecord[],
  ): Promise<void> {
    const keys = this.#space.of(queue);
    await this.#settle(keys, recordCalls(keys, outcomes, this.#limits));
  }

  async counts(queues: readonly string[]): Promise<Counts[]> {
    return await Promise.all(
      queues.map((queue) =>
        readCounts(this.#connection, this.#space.of(queue))
      ),
    );
  }

  async warnings(): Promise<string[]> {
    return await readWarnings(this.#connection);
  }

  async report(worker: string, health: Record<string, string>): Promise<void> {
    await this.#runner.run("report", [this.#space.worker(worker)], [
      String(HEALTH_SECONDS),
      ...Object.entries(health).flat(),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connector.close();
    await this.#waiting[Symbol.asyncDispose]();
    await this.#watcher?.[Symbol.asyncDispose]();
    await this.#limiter[Symbol.asyncDispose]();
    await this.#connection[Symbol.asyncDispose]();
  }

  async #settle(
    keys: QueueKeys,
    calls: readonly SettleCall[],
  ): Promise<number> {
    const replies = await Promise.all(
      calls.map((call) => this.#runner.run("settle", call.keys, call.args)),
    ) as [number, number, number, number][];
    let removed = 0;
    let ended = 0;
    for (const [count, results, bytes, arrivals] of replies) {
      removed += count;
      ended += arrivals;
      this.#limiter.check(keys, results, bytes);
    }
    // Awaited, so that nobody thinks that nothing is left. What fails the
    // reaper does a moment later.
    if (ended > 0) await this.#successors.deliver(keys).catch(() => {});
    return removed;
  }

  #channels(): ChannelWatcher {
    return this.#watcher ??= new ChannelWatcher(
      (own) => this.#connector.connectAny(own),
      this.#isClient,
    );
  }
}
