/**
 * What a worker says of itself: written in the worker, read by the commands
 * that show it.
 *
 * @module
 */
import type { WorkerRecord } from "../broker/inspector.ts";
import { Histogram } from "../time/histogram.ts";
import type { RunTimes } from "./run_times.ts";

/** The field with the run times of a queue begins with this. */
const RUN_TIMES = "run:";

/** What a report is made of. */
export interface HealthParts {
  readonly queues: readonly string[];
  readonly fast: boolean;
  readonly runTimes: RunTimes;
  /** Jobs in this process, and those that ended well since its start. */
  count(): { waiting: number; started: number; done: number };
}

/** Makes the reports of one worker. */
export class Health {
  readonly #parts: HealthParts;
  readonly #sinceMs = Date.now();
  #last: { readonly done: number; readonly atMs: number };

  /** Its rate is that of the time between two reports. */
  constructor(parts: HealthParts) {
    this.#parts = parts;
    this.#last = { done: 0, atMs: performance.now() };
  }

  /** One report. */
  report(): Record<string, string> {
    const { queues, fast, runTimes } = this.#parts;
    const { waiting, started, done } = this.#parts.count();
    const atMs = performance.now();
    const seconds = (atMs - this.#last.atMs) / 1000;
    const rate = seconds > 0 ? (done - this.#last.done) / seconds : 0;
    this.#last = { done, atMs };
    const health: Record<string, string> = {
      pid: String(Deno.pid),
      host: Deno.hostname(),
      queues: queues.join(","),
      since: String(this.#sinceMs),
      waiting: String(waiting),
      started: String(started),
      done: String(done),
      rate: rate.toFixed(1),
    };
    if (fast) health.fast = "1";
    for (const [queue, histogram] of runTimes.recent(atMs)) {
      health[RUN_TIMES + queue] = histogram.toString();
    }
    return health;
  }
}

/** A worker, as its last report has it. */
export interface WorkerHealth {
  readonly name: string;
  readonly pid: number;
  readonly host: string;
  readonly queues: readonly string[];
  /** When it started, in milliseconds since 1970 by its own clock. */
  readonly sinceMs: number;
  /** Jobs that it has taken and not started, that run, that are done. */
  readonly waiting: number;
  readonly started: number;
  readonly done: number;
  /** Jobs a second, lately. */
  readonly rate: number;
  /** At most once. */
  readonly fast: boolean;
  readonly ageMs: number;
  /** How long its jobs ran lately, by queue. */
  readonly runTimes: ReadonlyMap<string, Histogram>;
}

/** Reads a report, whoever wrote it. */
export function readHealth(
  { name, health, ageMs }: WorkerRecord,
): WorkerHealth {
  const number = (field: string) => Number(health[field]) || 0;
  const runTimes = new Map<string, Histogram>();
  for (const [field, text] of Object.entries(health)) {
    if (!field.startsWith(RUN_TIMES)) continue;
    runTimes.set(field.slice(RUN_TIMES.length), Histogram.parse(text));
  }
  return {
    name,
    pid: number("pid"),
    host: health.host ?? "",
    queues: (health.queues ?? "").split(",").filter((queue) => queue !== ""),
    sinceMs: number("since"),
    waiting: number("waiting"),
    started: number("started"),
    done: number("done"),
    rate: number("rate"),
    fast: health.fast === "1",
    ageMs,
    runTimes,
  };
}
