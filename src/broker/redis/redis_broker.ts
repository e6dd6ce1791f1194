import { BrokerError } from "../../errors.ts";
import {
  type Batch,
  type Broker,
  type Cancelled,
  type Counts,
  LEASE_TICKS,
  type OutcomeRecord,
  type Reaped,
  type Renewal,
  type ReserveOnWake,
  type ReserveRequest,
  type Settlement,
  type Taken,
} from "../broker.ts";
import type { Ties } from "../../job/ties.ts";
import type { Dsn } from "../dsn.ts";
import { readCancelled } from "./cancelling.ts";
import type { Connection } from "./connection.ts";
import { RedisControl } from "./control.ts";
import { readCounts } from "./counts.ts";
import { KEYS_VERSION, type QueueKeys } from "./keys.ts";
import { readQueueNames } from "./queue_names.ts";
import { reap } from "./reap.ts";
import { reconcile } from "./reconcile.ts";
import { RedisJobStore } from "./redis_job_store.ts";
import { reserve, take } from "./reserve.ts";
import { ConnectionRunner, Scripts } from "./scripts.ts";
import {
  recordCalls,
  settleAll,
  type SettleCall,
  settleCalls,
} from "./settling.ts";
import { inOrder } from "./tokens.ts";
import { Waiting } from "./waiting.ts";
import { readWarnings } from "./warnings.ts";
import { type RedisOptions, RedisParts } from "./parts.ts";
import { reportWorker } from "./worker_records.ts";

export type { RedisOptions } from "./parts.ts";

/**
 * The broker on one Redis server (6.2 or later) or Valkey: each verb is one
 * script, and all that a worker changes goes over one connection, in order.
 */
export class RedisBroker extends RedisJobStore implements Broker {
  readonly schemaVersion: number = KEYS_VERSION;
  readonly isSpread: boolean;
  readonly control: RedisControl;
  readonly #parts: RedisParts;
  readonly #waiting: Waiting;

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
    const parts = new RedisParts(url, options, scripts, connection);
    super(parts);
    this.#parts = parts;
    this.isSpread = parts.connector.isCluster;
    this.control = new RedisControl(
      parts.connection,
      parts.runner,
      parts.space,
    );
    this.#waiting = new Waiting({
      connect: (own) => parts.connector.connect(own),
      // Keys of different slots are not asked for with one command.
      keysAtOnce: this.isSpread ? 1 : 1000,
      pass: (queue) => this.pass(queue),
      runnerOf: (own) => new ConnectionRunner(own, scripts),
      limits: parts.limits,
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
      await broker.#parts.connection.open?.();
    } catch (error) {
      await broker[Symbol.asyncDispose]();
      throw new BrokerError((error as Error).message, { cause: error });
    }
    return broker;
  }

  async register(queues: readonly string[]): Promise<void> {
    await Promise.all(
      queues.map((queue) =>
        this.#parts.introductions.register(this.#parts.space.of(queue))
      ),
    );
  }

  queues(): Promise<string[]> {
    return readQueueNames(this.#parts.connection, this.#parts.space);
  }

  cancelled(queue: string, after: number): Promise<Cancelled> {
    return readCancelled(
      this.#parts.connection,
      this.#parts.space.of(queue),
      after,
    );
  }

  async unlock(queue: string, { id, unique }: Ties): Promise<void> {
    const keys = this.#parts.space.of(queue);
    if (unique === undefined) return;
    await this.#parts.runner.run("unlock", [keys.meta, keys.unique], [
      unique,
      id,
    ]);
  }

  reserve(
    worker: string,
    queue: string,
    request: ReserveRequest,
  ): Promise<Batch> {
    const keys = this.#parts.space.of(queue);
    return reserve(
      this.#parts.runner,
      this.#parts.limits,
      worker,
      keys,
      request,
    );
  }

  async begin(worker: string, queue: string, token: string): Promise<string> {
    const lease = this.#parts.space.of(queue).lease(worker);
    return await this.#parts.runner.run("begin", lease, [
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
    const keys = this.#parts.space.of(queue);
    const calls = settleCalls(keys, worker, settlements, this.#parts.limits);
    return await this.#settle(keys, calls);
  }

  async release(
    worker: string,
    queue: string,
    tokens: readonly string[],
  ): Promise<void> {
    const keys = this.#parts.space.of(queue);
    await this.#parts.runner.run(
      "release",
      [...keys.lease(worker), keys.ready, keys.suspect, keys.crashed],
      [worker, ...inOrder(tokens)],
    );
  }

  async renew(worker: string, queues: readonly string[]): Promise<Renewal[]> {
    return await Promise.all(queues.map(async (queue) => {
      const lease = this.#parts.space.of(queue).lease(worker);
      const [held, schema, cancels] = await this.#parts.runner
        .run("renew", lease, [worker]) as number[];
      return { held, schema, cancels };
    }));
  }

  async reconcile(
    worker: string,
    queue: string,
    tokens: readonly string[],
  ): Promise<string[]> {
    const keys = this.#parts.space.of(queue);
    return await reconcile(this.#parts.connection, {
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
    const keys = this.#parts.space.of(queue);
    return await this.#parts.runner.run(
      "recover",
      [...keys.lease(worker), keys.suspect, keys.crashed],
      [worker, reason, String(LEASE_TICKS)],
    ) as number;
  }

  async reap(queue: string): Promise<Reaped> {
    const keys = this.#parts.space.of(queue);
    const { expired, blocked, arrivals, ...reaped } = await reap(
      this.#parts.runner,
      this.#parts.limits,
      keys,
    );
    if (arrivals > 0) await this.#parts.successors.deliver(keys);
    if (blocked.length > 0) {
      const forgotten = await this.#parts.successors.look(keys, blocked);
      await this.cancel(queue, forgotten);
    }
    if (expired.length > 0) await this.#parts.limiter.evict(keys, expired);
    return reaped;
  }

  async wait(
    queues: readonly string[],
    signal: AbortSignal,
    onWake?: ReserveOnWake,
  ): Promise<string[]> {
    return await this.#waiting
      .wait(queues.map((queue) => this.#parts.space.of(queue)), signal, onWake);
  }

  async pass(queue: string): Promise<void> {
    const { meta, inbox, ready } = this.#parts.space.of(queue);
    await this.#parts.runner.run("pass", [meta, inbox, ready], []);
  }

  take(queue: string, limit: number, bytes: number): Promise<Taken> {
    const keys = this.#parts.space.of(queue);
    return take(this.#parts.runner, this.#parts.limits, keys, { limit, bytes });
  }

  async record(
    queue: string,
    outcomes: readonly OutcomeRecord[],
  ): Promise<void> {
    const keys = this.#parts.space.of(queue);
    await this.#settle(keys, recordCalls(keys, outcomes, this.#parts.limits));
  }

  async counts(queues: readonly string[]): Promise<Counts[]> {
    return await Promise.all(
      queues.map((queue) =>
        readCounts(this.#parts.connection, this.#parts.space.of(queue))
      ),
    );
  }

  async warnings(): Promise<string[]> {
    return await readWarnings(this.#parts.connection);
  }

  async report(worker: string, health: Record<string, string>): Promise<void> {
    const { connection, runner, space } = this.#parts;
    await reportWorker(connection, runner, space, worker, health);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.connector.close();
    await this.#waiting[Symbol.asyncDispose]();
    await this.#parts[Symbol.asyncDispose]();
  }

  async #settle(
    keys: QueueKeys,
    calls: readonly SettleCall[],
  ): Promise<number> {
    const { removed, ended, results, bytes } = await settleAll(
      this.#parts.runner,
      calls,
    );
    this.#parts.limiter.check(keys, results, bytes);
    // Awaited, so that nobody thinks that nothing is left. What fails the
    // reaper does a moment later.
    if (ended > 0) await this.#parts.successors.deliver(keys).catch(() => {});
    return removed;
  }
}
