import type { Broker, Entry, JobStore } from "../broker/broker.ts";
import type { ScheduleStore } from "../broker/schedules.ts";
import type { UpdateReader } from "../broker/updates.ts";
import { printHandle } from "../client/handle.ts";
import { decodeMessage } from "../job/message.ts";
import type { Backoff } from "../job/retry.ts";
import type { TestClock } from "./test_worker.ts";

/**
 * A job that was sent while a test ran, with its policy as it applies.
 *
 * @example
 * ```ts
 * import { type SentJob, testMqk } from "@mqk/core/testing";
 * await using mqk = testMqk();
 * await mqk.client.invoke("./jobs/mail.ts#send", "ann@example.com");
 * const [{ reference, args }]: SentJob[] = mqk.jobs();
 * ```
 */
export interface SentJob {
  /** Id of the job, `<producer>.<n>`. */
  readonly id: string;
  /** For `mqk.client.job(handle)`, which has its result and status. */
  readonly handle: string;
  /** Which function it calls, as it was sent: `<module>#<export>`. */
  readonly reference: string;
  /** The function's arguments, as they come out of JSON. */
  readonly args: readonly unknown[];
  /** Name of its queue. */
  readonly queue: string;
  /** From when on it may run, by the clock of the test. */
  readonly dueAt: Date;
  /** Seconds that one attempt may take. */
  readonly ttl: number;
  /** How often it is tried again. */
  readonly retries: number;
  /** When it is tried again. */
  readonly backoff: Backoff;
  /** Whether its result is kept. */
  readonly result: boolean;
  /** Its key, if it was sent with one. */
  readonly idempotencyKey?: string;
  /** Its group, if it has one. */
  readonly group?: string;
}

/** A broker's store that remembers what it was sent. */
export class SentJobs implements JobStore {
  readonly list: SentJob[] = [];
  readonly updates: UpdateReader = {
    read: async (...read) => (await this.#broker()).updates.read(...read),
    watch: async (...watch) => (await this.#broker()).updates.watch(...watch),
  };
  readonly schedules: ScheduleStore = {
    find: async (...find) => (await this.#broker()).schedules.find(...find),
    define: async (schedule) => {
      await (await this.#broker()).schedules.define(schedule);
    },
    list: async (queue) => (await this.#broker()).schedules.list(queue),
    pause: async (...pause) => (await this.#broker()).schedules.pause(...pause),
    resume: async (...resume) =>
      (await this.#broker()).schedules.resume(...resume),
    remove: async (...remove) =>
      (await this.#broker()).schedules.remove(...remove),
  };
  readonly #broker: () => Promise<Broker>;
  readonly #clock: TestClock;
  readonly #stored: (dueMs: readonly number[]) => Promise<void>;
  readonly #cancelled: (queue: string) => Promise<void>;
  #sending = 0;

  /**
   * @param stored Told when jobs are due; the call resolves with it.
   * @param cancelled Told when jobs of a queue were cancelled.
   */
  constructor(
    broker: () => Promise<Broker>,
    clock: TestClock,
    stored: (dueMs: readonly number[]) => Promise<void>,
    cancelled: (queue: string) => Promise<void>,
  ) {
    this.#broker = broker;
    this.#clock = clock;
    this.#stored = stored;
    this.#cancelled = cancelled;
  }

  /** Calls whose jobs are not stored yet. */
  get sending(): number {
    return this.#sending;
  }

  async enqueue(entries: readonly Entry[]): Promise<string[]> {
    this.#sending++;
    let ids: string[];
    try {
      ids = await (await this.#broker()).enqueue(entries);
    } finally {
      this.#sending--;
    }
    // One that has the id of an earlier job was not stored.
    const sent = entries.filter(({ id }, i) => ids[i] === id)
      .map((entry) => this.#record(entry));
    this.list.push(...sent);
    await this.#stored(sent.map(({ dueAt }) => dueAt.getTime()));
    return ids;
  }

  async results(
    queue: string,
    ids: readonly string[],
  ): Promise<(string | null)[]> {
    return await (await this.#broker()).results(queue, ids);
  }

  async watchResults(
    ...watch: Parameters<JobStore["watchResults"]>
  ): Promise<AsyncDisposable> {
    return await (await this.#broker()).watchResults(...watch);
  }

  async cancel(
    ...cancel: Parameters<JobStore["cancel"]>
  ): Promise<boolean[]> {
    const cancelled = await (await this.#broker()).cancel(...cancel);
    await this.#cancelled(cancel[0]);
    return cancelled;
  }

  #record({ id, queue, message, ...entry }: Entry): SentJob {
    const { delayMs = 0, atMs = 0, idempotencyKey } = entry;
    const { nowMs } = this.#clock;
    const dueMs = Math.max(nowMs + delayMs, atMs);
    const { job, args, ttl, retries, backoff, result, group } = decodeMessage(
      message,
    );
    return {
      id,
      handle: printHandle({ id, queue, dueMs, kept: result }),
      reference: job,
      args,
      queue,
      dueAt: new Date(dueMs),
      ttl,
      retries,
      backoff,
      result,
      ...(idempotencyKey !== undefined && { idempotencyKey }),
      ...(group !== undefined && { group }),
    };
  }
}
