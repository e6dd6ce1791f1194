import type { Limit, QueueControl, QueueLimits } from "../broker/control.ts";
import { checkLimits, type GroupLimit, type Limits } from "../job/limits.ts";
import { checkQueueName } from "../job/policy.ts";

/**
 * How a queue is served.
 *
 * @example
 * ```ts
 * import { connect, type QueueStatus } from "@mqk/core";
 * await using client = connect();
 * const { paused }: QueueStatus = await client.queue("mail").status();
 * ```
 */
export interface QueueStatus {
  /** Nobody gets jobs of it for now. */
  paused: boolean;
  /** Its limits. */
  limits: Limits;
}

/**
 * What can be set for a queue, for all workers at once; it is kept in the
 * broker.
 *
 * @example
 * ```ts
 * import { connect } from "@mqk/core";
 * await using client = connect();
 * const mail = client.queue("mail");
 * await mail.pause();
 * await mail.setLimits({ rate: { jobs: 100, per: 60 } });
 * await mail.resume();
 * ```
 */
export interface QueueSettings {
  /** Its name. */
  readonly name: string;
  /**
   * From now on workers get no jobs of it; what they have already ends. Jobs can
   * still be sent.
   *
   * @throws {BrokerError} If the broker can't be reached, or refuses.
   */
  pause(): Promise<void>;
  /** Lets its jobs start again; workers see it within a second. */
  resume(): Promise<void>;
  /**
   * Replaces all its limits, also those of groups, at once; `{}`: none.
   *
   * @throws {ArgumentError} If one is out of range.
   * @throws {BrokerError} If the broker can't be reached, or refuses.
   */
  setLimits(limits: Limits): Promise<void>;
  /** How it is served. */
  status(): Promise<QueueStatus>;
}

/** The settings of a queue, over the control of a broker. */
export class StoredQueueSettings implements QueueSettings {
  readonly name: string;
  readonly #control: () => Promise<QueueControl>;

  /** @throws {ArgumentError} If it can't be the name of a queue. */
  constructor(name: string, control: () => Promise<QueueControl>) {
    checkQueueName(name);
    this.name = name;
    this.#control = control;
  }

  async pause(): Promise<void> {
    await (await this.#control()).pause(this.name);
  }

  async resume(): Promise<void> {
    await (await this.#control()).resume(this.name);
  }

  async setLimits(limits: Limits): Promise<void> {
    checkLimits(limits);
    const { group, groups, ...own } = limits;
    const stored: QueueLimits = {
      ...storedLimit(own),
      ...(group && { group: storedLimit(group) }),
      ...(groups && { groups: mapValues(groups, storedLimit) }),
    };
    await (await this.#control()).setLimits(this.name, stored);
  }

  async status(): Promise<QueueStatus> {
    const { paused, limits } = await (await this.#control()).state(this.name);
    const { group, groups, ...own } = limits;
    return {
      paused,
      limits: {
        ...publicLimit(own),
        ...(group && { group: publicLimit(group) }),
        ...(groups && { groups: mapValues(groups, publicLimit) }),
      },
    };
  }
}

function storedLimit({ concurrency, rate }: GroupLimit): Limit {
  return {
    ...(concurrency !== undefined && { concurrency }),
    ...(rate && { rate: { jobs: rate.jobs, perMs: rate.per * 1000 } }),
  };
}

function publicLimit({ concurrency, rate }: Limit): GroupLimit {
  return {
    ...(concurrency !== undefined && { concurrency }),
    ...(rate && { rate: { jobs: rate.jobs, per: rate.perMs / 1000 } }),
  };
}

function mapValues<A, B>(
  values: Readonly<Record<string, A>>,
  change: (value: A) => B,
): Record<string, B> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, change(value)]),
  );
}
