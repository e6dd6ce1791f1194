import { setImmediate } from "node:timers/promises";
import { encodeUpdate } from "../job/update.ts";
import type { FromThread } from "./protocol.ts";

/** So much of one job is with the main thread and not answered, at most. */
const MAX_POSTED = 1000;
const MAX_POSTED_LENGTH = 1024 * 1024;
/** What a job reports beyond that waits here; of more, the oldest is dropped. */
const MAX_WAITING = 1000;
const MAX_WAITING_LENGTH = 1024 * 1024;

/** Whose reports they are. */
export interface Reporter {
  readonly batch: number;
  readonly index: number;
  /** `undefined`: nobody can follow this job, so nothing is stored. */
  readonly id: string | undefined;
  readonly attempt: number;
}

interface Report {
  readonly text: string;
  readonly resolve: () => void;
}

/**
 * What one run of a job reports, on its way to the main thread: at once, so
 * that a job that computes without a pause is heard too, up to a bound.
 */
export class JobReports {
  readonly #reporter: Reporter;
  readonly #post: (message: FromThread) => void;
  readonly #run = crypto.randomUUID().slice(0, 8);
  readonly #posted = new Reports();
  readonly #waiting = new Reports();
  #number = 0;
  #released = false;

  constructor(reporter: Reporter, post: (message: FromThread) => void) {
    this.#reporter = reporter;
    this.#post = post;
  }

  /**
   * Resolves when the main thread lets the job go on.
   *
   * @throws {ArgumentError} If it can't be an update.
   */
  report(value: unknown): Promise<void> {
    const { id, attempt } = this.#reporter;
    const mark = { run: this.#run, attempt, number: this.#number + 1 };
    const text = encodeUpdate(mark, value);
    this.#number++;
    if (id === undefined) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add({ text, resolve });
    this.#send(MAX_POSTED, MAX_POSTED_LENGTH);
    while (this.#waiting.exceeds(MAX_WAITING, MAX_WAITING_LENGTH)) {
      this.#waiting.take().resolve();
    }
    // A turn of the event loop, at least: a job may do this in a loop.
    return this.#released ? setImmediate() : promise;
  }

  /** The job need not wait for so many any more, the oldest. */
  answered(count: number): void {
    for (let i = 0; i < count && this.#posted.count > 0; i++) {
      this.#posted.take().resolve();
    }
    this.#send(MAX_POSTED, MAX_POSTED_LENGTH);
  }

  /** The job is to end: it waits for nothing any more. */
  release(): void {
    this.#released = true;
    for (const { resolve } of this.#posted.items) resolve();
    for (const { resolve } of this.#waiting.items) resolve();
  }

  /** The job has ended: the rest is sent before its outcome is. */
  end(): void {
    this.release();
    this.#send(Infinity, Infinity);
  }

  #send(count: number, length: number): void {
    const updates: string[] = [];
    while (
      this.#waiting.count > 0 && this.#posted.count < count &&
      this.#posted.length < length
    ) {
      const report = this.#waiting.take();
      this.#posted.add(report);
      updates.push(report.text);
    }
    const { batch, index, id } = this.#reporter;
    if (updates.length === 0 || id === undefined) return;
    this.#post({ kind: "report", batch, index, id, updates });
  }
}

/** Reports in their order, and how much that is. */
class Reports {
  readonly items: Report[] = [];
  /** Of their texts together. */
  length = 0;

  get count(): number {
    return this.items.length;
  }

  add(report: Report): void {
    this.items.push(report);
    this.length += report.text.length;
  }

  /** Takes the oldest out. */
  take(): Report {
    const report = this.items.shift()!;
    this.length -= report.text.length;
    return report;
  }

  exceeds(count: number, length: number): boolean {
    return this.count > count || this.length > length;
  }
}
