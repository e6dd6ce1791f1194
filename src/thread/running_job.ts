import { JobCancelledError, TtlExceededError } from "../errors.ts";
import type { CurrentJob } from "../job_context.ts";
import { isJobId, type Message } from "../job/message.ts";
import type { ClaimedBatch } from "./claimed_batch.ts";
import { JobReports } from "./job_reports.ts";
import type { JobSpan } from "./job_spans.ts";
import type { AbortReason, FromThread } from "./protocol.ts";

/** One attempt, from when it is claimed until it has ended. */
export class RunningJob {
  readonly batch: ClaimedBatch;
  readonly index: number;
  readonly message: Message;
  /** Why its signal aborted: the first reason counts. */
  abortedBy: AbortReason | undefined;
  /** What it let escape: a floating rejection, a throwing timer. */
  uncaught: { readonly thrown: unknown } | undefined;
  ended = false;
  /** What it has reported; few jobs do. */
  reports: JobReports | undefined;
  /** When it was claimed, or had its module: in milliseconds since 1970. */
  startedAtMs: number;
  /** When its function was called, by `performance.now()`, if that is measured. */
  measuredFromMs: number | undefined;
  /** If anybody receives spans. */
  span: JobSpan | undefined;
  #controller: AbortController | undefined;
  #current: CurrentJob | undefined;
  readonly #post: (message: FromThread) => void;

  /** @param post Sends to the main thread. */
  constructor(
    batch: ClaimedBatch,
    index: number,
    message: Message,
    { post, startedAtMs }: {
      readonly post: (message: FromThread) => void;
      readonly startedAtMs: number;
    },
  ) {
    this.startedAtMs = startedAtMs;
    this.batch = batch;
    this.index = index;
    this.message = message;
    this.#post = post;
  }

  /** Its name for people. */
  get name(): string {
    return this.message.id ?? this.message.uid ?? "without id";
  }

  /** What job code sees of it; few jobs ask. */
  get current(): CurrentJob {
    return this.#current ??= this.#makeCurrent();
  }

  /** Aborts its signal. */
  abort(reason: AbortReason): void {
    this.abortedBy ??= reason;
    this.reports?.release();
    this.#controller?.abort(abortError(this.abortedBy, this.message));
  }

  /** See `CurrentJob.report`. */
  async report(value: unknown): Promise<void> {
    if (this.ended) {
      throw new Error(`Cannot report an update: job ${this.name} has ended`);
    }
    this.reports ??= this.#makeReports();
    await this.reports.report(value);
  }

  #makeCurrent(): CurrentJob {
    const { id, uid, attempt, after = [] } = this.message;
    const signal = () => this.#signal();
    return {
      id: id ?? uid ?? "",
      attempt,
      after,
      report: (value) => this.report(value),
      get signal() {
        return signal();
      },
    };
  }

  #makeReports(): JobReports {
    const { id, attempt, result } = this.message;
    const reports = new JobReports({
      batch: this.batch.number,
      index: this.index,
      id: result && isJobId(id) ? id : undefined,
      attempt,
    }, this.#post);
    if (this.abortedBy !== undefined) reports.release();
    return reports;
  }

  #signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.abortedBy !== undefined) this.abort(this.abortedBy);
    }
    return this.#controller.signal;
  }
}

/** The error that a job gets as the reason of its signal. */
export function abortError(reason: AbortReason, message: Message): Error {
  switch (reason) {
    case "ttl":
      return new TtlExceededError(
        `The attempt exceeded its ttl of ${message.ttl} s`,
      );
    case "shutdown":
      return new DOMException("The worker shuts down", "AbortError");
    case "cancel":
      return new JobCancelledError(
        `Job ${message.id ?? ""} was cancelled`,
      );
    case "lease":
      return new DOMException("The worker lost its lease", "AbortError");
  }
}
