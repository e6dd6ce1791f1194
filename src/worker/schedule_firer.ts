import { MAX_BATCH_BYTES, MAX_BATCH_JOBS } from "../broker/broker.ts";
import type { Firing, Schedules, StoredSchedule } from "../broker/schedules.ts";
import { DueTimes } from "../job/due_times.ts";
import {
  decodeSchedule,
  type ScheduleDefinition,
  scheduledMessage,
} from "../job/schedule.ts";
import { brokerLog } from "../log.ts";

/** A heartbeat waits for the step: what is left comes with the next one. */
const STEP_MS = 250;
/** A schedule that can't be read is tried again, and complained of, so often. */
const UNREADABLE_MS = 60_000;
/** Definitions that are kept read. */
const KEPT = 1000;

interface ReadSchedule {
  readonly definition: ScheduleDefinition;
  readonly times: DueTimes;
}

/**
 * Sends the jobs of schedules that are due. Every worker does; of those that
 * come at once, or die in the middle, the broker lets each due time have a
 * single job.
 */
export class ScheduleFirer {
  readonly #schedules: Schedules;
  readonly #read = new Map<string, ReadSchedule>();

  constructor(schedules: Schedules) {
    this.#schedules = schedules;
  }

  /**
   * Fires what is due in a queue.
   *
   * @throws {BrokerError} If the broker refuses the jobs.
   */
  async step(queue: string, stopping: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    while (!stopping.aborted && performance.now() - startedMs < STEP_MS) {
      const { nowMs, schedules } = await this.#schedules.due(queue);
      const firings = schedules.map((schedule) =>
        this.#firing(schedule, nowMs)
      );
      let fired = 0;
      for (const part of cut(firings)) {
        fired += await this.#schedules.fire(queue, part);
      }
      // None is left, or another worker is at it.
      if (fired === 0) return;
    }
  }

  #firing(schedule: StoredSchedule, nowMs: number): Firing {
    const { queue, name, nextMs: dueMs = nowMs } = schedule;
    try {
      const { definition, times } = this.#readOnce(schedule.definition);
      const { firedMs, nextMs = Infinity } = times.due(dueMs, nowMs);
      const messages: string[] = [];
      const { unique, group } = definition;
      const isTied = unique !== undefined || group !== undefined;
      const ties = isTied
        ? firedMs.map((firedAtMs) => ({
          id: `${name}.${firedAtMs}`,
          unique: unique?.key,
          group,
        }))
        : undefined;
      let bytes = 0;
      for (const firedAtMs of firedMs) {
        const message = scheduledMessage(definition, name, firedAtMs);
        bytes += message.length;
        if (messages.length > 0 && bytes > MAX_BATCH_BYTES) {
          return { schedule, messages, ties, nextMs: firedAtMs };
        }
        messages.push(message);
      }
      return { schedule, messages, ties, nextMs };
    } catch (error) {
      brokerLog.error("Cannot read schedule {name} of queue {queue}: {error}", {
        name,
        queue,
        error: (error as Error).message,
      });
      return { schedule, messages: [], nextMs: nowMs + UNREADABLE_MS };
    }
  }

  #readOnce(text: string): ReadSchedule {
    let read = this.#read.get(text);
    if (read === undefined) {
      const definition = decodeSchedule(text);
      read = { definition, times: new DueTimes(definition) };
      if (this.#read.size >= KEPT) this.#read.clear();
      this.#read.set(text, read);
    }
    return read;
  }
}

/** Parts of at most so many jobs and so much text, each a command. */
function* cut(firings: readonly Firing[]): Generator<Firing[]> {
  let part: Firing[] = [];
  let jobs = 0;
  let bytes = 0;
  for (const firing of firings) {
    const size = firing.messages.reduce((sum, { length }) => sum + length, 0);
    jobs += firing.messages.length;
    bytes += size;
    const full = jobs > MAX_BATCH_JOBS || bytes > MAX_BATCH_BYTES;
    if (full && part.length > 0) {
      yield part;
      part = [];
      jobs = firing.messages.length;
      bytes = size;
    }
    part.push(firing);
  }
  if (part.length > 0) yield part;
}
