import { type Command, InvalidArgumentError } from "npm:commander@15.1.0";
import {
  type Inspector,
  JOB_STATES,
  type JobState,
  LOOK_JOBS,
} from "../broker/inspector.ts";
import { parseHandle } from "../client/handle.ts";
import { parseReference, printReference } from "../job/reference.ts";
import { moment } from "./duration.ts";
import { queuesOption } from "./options.ts";
import { errorOf, readJob, type StoredJob } from "./stored_job.ts";

/** Which jobs a command means; what is left out does not narrow them. */
export interface JobFilter {
  /** Ids of jobs, or what else names one. */
  readonly ids?: readonly string[];
  readonly queue?: readonly string[];
  readonly state?: readonly JobState[];
  /** A reference, or a module for all of its functions. */
  readonly job?: string;
  /** A part of the last error. */
  readonly error?: string;
  /** Failed, or else sent, since then: in milliseconds since 1970. */
  readonly since?: number;
}

/** In which a job that was cancelled lies until a worker meets it. */
const UNTIL_MET: ReadonlySet<JobState> = new Set([
  "scheduled",
  "ready",
  "suspect",
  "crashed",
  "retry",
]);
/** States that people see as one: all these jobs wait for a worker. */
const WAITING: readonly JobState[] = ["ready", "suspect", "crashed"];

/** Adds the arguments and options of a {@linkcode JobFilter}. */
export function addFilterOptions<C extends Command>(
  command: C,
  states: readonly JobState[],
): C {
  command
    .argument("[id...]", "ids or handles of jobs", jobIds)
    .addOption(queuesOption("look in this queue only (default: all)"))
    .option(
      "--state <state>",
      `only jobs in this state: ${states.join(", ")}; repeatable`,
      (text, before: JobState[] = []) => [...before, stateOf(text, states)],
    )
    .option(
      "--job <reference>",
      "only this function, or all functions of this module",
      reference,
    )
    .option("--error <text>", "only if the last error has this text")
    .option(
      "--since <time>",
      "only if failed, or else sent, since then: 90s, 15m, 2h, 7d ago, " +
        "or a date",
      moment,
    );
  return command;
}

/** Whether anything narrows the choice. */
export function isNarrowed({ ids = [], ...filter }: JobFilter): boolean {
  return ids.length > 0 ||
    [filter.queue, filter.state, filter.job, filter.error, filter.since]
      .some((value) => value !== undefined);
}

/**
 * The jobs that match a filter, in the order of their queues and states. One
 * that was cancelled has ended, though it may lie there until its turn comes.
 */
export class JobSelection {
  /** What was not looked at, a sentence each. */
  readonly unseen: string[] = [];
  readonly #inspector: Inspector;
  readonly #filter: JobFilter;
  readonly #ids: ReadonlySet<string>;
  readonly #states: readonly JobState[];

  /**
   * @param states Where to look if the filter does not say.
   */
  constructor(
    inspector: Inspector,
    filter: JobFilter,
    states: readonly JobState[] = JOB_STATES,
  ) {
    this.#inspector = inspector;
    this.#filter = filter;
    this.#ids = new Set(filter.ids);
    const wanted = new Set(filter.state ?? states);
    if (wanted.has("ready")) { for (const state of WAITING) wanted.add(state); }
    this.#states = JOB_STATES.filter((state) => wanted.has(state));
  }

  /** The jobs, read page by page; what moves meanwhile may be missed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<StoredJob> {
    const queues = this.#filter.queue ?? await this.#inspector.queues();
    const missing = new Set(this.#ids);
    for (const queue of queues) {
      for (const state of this.#states) {
        for await (const job of this.#matching(queue, state)) {
          yield job;
          if (missing.delete(job.id) && missing.size === 0) return;
        }
      }
    }
  }

  async *#matching(
    queue: string,
    state: JobState,
  ): AsyncGenerator<StoredJob> {
    let seen = 0;
    let cancelled: ReadonlySet<string> | undefined;
    for await (const record of this.#inspector.jobs(queue, state)) {
      seen++;
      const job = readJob(record);
      if (!this.#matches(job)) continue;
      if (UNTIL_MET.has(state)) {
        cancelled ??= new Set(await this.#inspector.cancelled(queue));
        if (cancelled.has(job.id)) continue;
      }
      yield job;
    }
    if (seen >= LOOK_JOBS) {
      this.unseen.push(
        `Looked at the first ${seen} jobs of queue ${queue} that are ${state}`,
      );
    }
  }

  #matches(job: StoredJob): boolean {
    const { job: reference, error, since } = this.#filter;
    if (this.#ids.size > 0 && !this.#ids.has(job.id)) return false;
    if (reference !== undefined && !isOf(job.message?.job, reference)) {
      return false;
    }
    if (error !== undefined) {
      const last = errorOf(job)?.toLowerCase();
      if (!last?.includes(error.toLowerCase())) return false;
    }
    if (since === undefined) return true;
    const { state, atMs } = job.record;
    const fromMs = state === "failed" ? atMs : job.message?.sentMs;
    return fromMs !== undefined && fromMs >= since;
  }
}

/** Reads an id, or the handle that has it, repeatable. */
export function jobIds(text: string, before: string[] = []): string[] {
  return [...before, text.includes("/") ? parseHandle(text).id : text];
}

function stateOf(text: string, states: readonly JobState[]): JobState {
  const state = states.find((state) => state === text);
  if (state !== undefined) return state;
  throw new InvalidArgumentError(`It must be one of ${states.join(", ")}.`);
}

function reference(text: string): string {
  return printReference(parseReference(text));
}

/** Whether a job calls that function, or one of that module. */
function isOf(job: string | undefined, wanted: string): boolean {
  if (job === undefined) return false;
  try {
    const reference = parseReference(job);
    return printReference(reference) === wanted || reference.module === wanted;
  } catch {
    return job === wanted;
  }
}
