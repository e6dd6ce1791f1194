import type { ScheduleStore, StoredSchedule } from "../broker/schedules.ts";
import { BrokerError } from "../errors.ts";
import { DueTimes } from "../job/due_times.ts";
import { checkScheduleName, DEFAULT_QUEUE } from "../job/policy.ts";
import {
  decodeSchedule,
  encodeSchedule,
  type ScheduleDefinition,
  type ScheduleSpec,
  specOf,
} from "../job/schedule.ts";
import type { JobCall } from "./client.ts";
import type { Job } from "./job.ts";
import type { Schedule } from "./schedule.ts";

/** What schedules need of their client. */
export interface SchedulesParts {
  store(): Promise<ScheduleStore>;
  /** Sends one job. */
  send(call: JobCall): Promise<Job>;
}

/** See `Client.schedule`. */
export async function defineSchedule(
  parts: SchedulesParts,
  name: string,
  spec: ScheduleSpec,
): Promise<Schedule> {
  checkScheduleName(name);
  const definition = encodeSchedule(spec);
  const queue = spec.queue ?? DEFAULT_QUEUE;
  const store = await parts.store();
  let { nowMs, schedule } = await store.find(queue, name);
  if (schedule?.definition !== definition) {
    const nextMs = nextAfter(decodeSchedule(definition), nowMs);
    await store.define({ queue, name, definition, nextMs });
    // It may have been paused.
    ({ schedule } = await store.find(queue, name));
  }
  if (schedule !== undefined) return new FoundSchedule(parts, schedule);
  throw new BrokerError(`Schedule ${name} was deleted at once`);
}

/** See `Client.schedules`. */
export async function listSchedules(
  parts: SchedulesParts,
  queue?: string,
): Promise<Schedule[]> {
  const schedules = await (await parts.store()).list(queue);
  return schedules.map((stored) => new FoundSchedule(parts, stored));
}

function nextAfter(definition: ScheduleDefinition, nowMs: number): number {
  return new DueTimes(definition).nextMs(nowMs) ?? Infinity;
}

class FoundSchedule implements Schedule {
  readonly queue: string;
  readonly name: string;
  readonly nextAt: Date | undefined;
  readonly paused: boolean;
  readonly #parts: SchedulesParts;
  readonly #definition: string;

  constructor(parts: SchedulesParts, stored: StoredSchedule) {
    const { queue, name, definition, nextMs } = stored;
    this.#parts = parts;
    this.#definition = definition;
    this.queue = queue;
    this.name = name;
    this.paused = nextMs === undefined;
    this.nextAt = nextMs === undefined || nextMs === Infinity
      ? undefined
      : new Date(nextMs);
  }

  get spec(): ScheduleSpec {
    return specOf(this.#read(this.#definition), this.queue);
  }

  async pause(): Promise<boolean> {
    return await (await this.#parts.store()).pause(this.queue, this.name);
  }

  async resume(): Promise<boolean> {
    const store = await this.#parts.store();
    for (;;) {
      const { nowMs, schedule } = await store.find(this.queue, this.name);
      if (schedule === undefined) return false;
      const nextMs = nextAfter(this.#read(schedule.definition), nowMs);
      // Not so if it was changed in between.
      if (await store.resume(schedule, nextMs)) return true;
    }
  }

  async runNow(): Promise<Job> {
    const { job, args, queue, ttl, retries, backoff, result } = this.spec;
    return await this.#parts
      .send({ job, args, queue, ttl, retries, backoff, result });
  }

  async delete(): Promise<boolean> {
    return await (await this.#parts.store()).remove(this.queue, this.name);
  }

  #read(definition: string): ScheduleDefinition {
    try {
      return decodeSchedule(definition);
    } catch (error) {
      throw new BrokerError(
        `Cannot read schedule ${this.name} of queue ${this.queue}: ` +
          (error as Error).message,
        { cause: error },
      );
    }
  }
}
