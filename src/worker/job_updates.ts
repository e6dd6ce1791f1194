import {
  BrokerUnavailableError,
  MAX_BATCH_BYTES,
  MAX_BATCH_JOBS,
} from "../broker/broker.ts";
import type { Updates } from "../broker/updates.ts";
import { isJobId } from "../job/message.ts";
import type {
  Ended,
  FromThread,
  RunTimeSample,
  ToThread,
} from "../thread/protocol.ts";
import { backoffMs } from "../time/backoff.ts";
import { sleep } from "../time/sleep.ts";
import type { JobLog } from "./job_log.ts";

/** What the updates of jobs need of their worker. */
export interface JobUpdatesParts {
  readonly updates: Pick<Updates, "append">;
  /** Nothing in fast mode. */
  readonly worker: string | undefined;
  readonly log: Pick<JobLog, "updatesLost">;
  /** Aborts when the process ends, and no command is repeated any more. */
  readonly ending: AbortSignal;
  queueOf(batch: number): string | undefined;
  post(message: ToThread): void;
  /** Jobs ended, and what they reported before is stored. */
  ended(batch: number, jobs: readonly Ended[], ran: RunTimeSample): void;
}

/** So many updates of a job may wait here while it goes on. */
const ROOM = 100;

/** What was measured is passed on with those that ended first. */
const NONE: RunTimeSample = { milliseconds: [], each: 1 };

/** A job whose updates are not all stored. */
interface Stream {
  readonly batch: number;
  readonly index: number;
  readonly queue: string;
  readonly id: string;
  /** Not stored; the oldest of them may be under way. */
  unstored: string[];
  /** Of these, the last ones: the job was not told yet to go on. */
  unanswered: number;
  /** Resolves when all is stored. */
  stored?: Promise<void>;
}

/**
 * Stores what jobs report, in order: what comes while one command is under way
 * is sent together in the next. A job goes on when its update is here and there
 * is room for more. While the broker is away the command is repeated, as a
 * settle is; what the broker refuses is lost.
 */
export class JobUpdates {
  readonly #parts: JobUpdatesParts;
  /** By batch and index; only of jobs whose updates are not all stored. */
  readonly #streams = new Map<number, Map<number, Stream>>();

  constructor(parts: JobUpdatesParts) {
    this.#parts = parts;
  }

  /** A job reports. */
  add(
    { batch, index, id, updates }: Extract<FromThread, { kind: "report" }>,
  ): void {
    const stream = this.#streams.get(batch)?.get(index) ??
      this.#begin(batch, index, id);
    if (stream === undefined) return;
    stream.unstored.push(...updates);
    stream.unanswered += updates.length;
    stream.stored ??= this.#store(stream);
    this.#answer(stream);
  }

  /** Jobs ended; passed on when what they reported is stored. */
  ended(batch: number, jobs: readonly Ended[], ran: RunTimeSample): void {
    const streams = this.#streams.get(batch);
    if (streams === undefined) return this.#parts.ended(batch, jobs, ran);
    const now: Ended[] = [];
    for (const job of jobs) {
      const stream = streams.get(job.index);
      if (stream === undefined) now.push(job);
      else {
        void stream.stored!.then(() => this.#parts.ended(batch, [job], NONE));
      }
    }
    this.#parts.ended(batch, now, ran);
  }

  #begin(batch: number, index: number, id: string): Stream | undefined {
    const queue = this.#parts.queueOf(batch);
    // Its end is known already, or it was taken from this worker.
    if (queue === undefined || !isJobId(id)) return undefined;
    const streams = this.#streams.get(batch) ?? new Map<number, Stream>();
    this.#streams.set(batch, streams);
    const stream = { batch, index, queue, id, unstored: [], unanswered: 0 };
    streams.set(index, stream);
    return stream;
  }

  /** Lets the job go on, as far as there is room. */
  #answer(stream: Stream): void {
    const { batch, index, unstored, unanswered } = stream;
    const answered = unstored.length - unanswered;
    const count = Math.min(unanswered, ROOM - answered);
    if (count <= 0) return;
    stream.unanswered -= count;
    this.#parts.post({ kind: "reported", batch, index, count });
  }

  async #store(stream: Stream): Promise<void> {
    while (stream.unstored.length > 0) {
      const part = stream.unstored.slice(0, fitting(stream.unstored));
      await this.#append(stream, part);
      stream.unstored.splice(0, part.length);
      this.#answer(stream);
    }
    const streams = this.#streams.get(stream.batch)!;
    streams.delete(stream.index);
    if (streams.size === 0) this.#streams.delete(stream.batch);
  }

  async #append(
    { queue, id }: Stream,
    part: readonly string[],
  ): Promise<void> {
    const { updates, worker, log, ending } = this.#parts;
    for (let tries = 0;; tries++) {
      try {
        return await updates.append(worker, queue, id, part);
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError) || ending.aborted) {
          return log.updatesLost(id, (error as Error).message);
        }
      }
      // Stored twice by that, they are told apart by their numbers.
      await sleep(backoffMs(tries, { minMs: 50, maxMs: 2_000 }), ending);
    }
  }
}

/** How many of them, from the first on, fit into one command. */
function fitting(updates: readonly string[]): number {
  let length = 0;
  let count = 0;
  for (const update of updates) {
    length += update.length;
    if (count > 0 && (count === MAX_BATCH_JOBS || length > MAX_BATCH_BYTES)) {
      break;
    }
    count++;
  }
  return count;
}
