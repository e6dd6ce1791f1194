import type { JobFunction } from "../loader/callable.ts";
import type { JobFunctions } from "../loader/functions.ts";
import {
  decodeMessage,
  isJobId,
  type Message,
  messageReference,
  UndecodableMessageError,
} from "../job/message.ts";
import type { PredecessorOutcome } from "../job/predecessors.ts";
import { tiesOf } from "../job/ties.ts";
import type { ClaimedBatch } from "./claimed_batch.ts";
import { JobContexts } from "./contexts.ts";
import {
  cancelledJob,
  failure,
  type FailureRules,
  resultOutcome,
  shownOutcome,
  skipped,
  unreadable,
} from "./ending.ts";
import type { JobSpans } from "./job_spans.ts";
import type { EndedOtherwise, FromThread } from "./protocol.ts";
import { RunningJob } from "./running_job.ts";
import { stream, streamedValues } from "./streamed.ts";

/** What the execution of attempts needs. */
export interface ExecutorParts {
  readonly functions: JobFunctions;
  /** What decides how a job goes on after a failure. */
  readonly rules: FailureRules;
  /** Left out: nobody receives spans. */
  readonly spans?: JobSpans;
  /** The lease is young enough to start a job. */
  mayStart(): boolean;
  /** The log wants to show the result of one more job. */
  wantsShown(): boolean;
  /** How the jobs with these names ended. */
  predecessors(names: readonly string[]): Promise<PredecessorOutcome[]>;
  /** A job is about to start that has its unique key only until then. */
  unlock(batch: number, index: number): Promise<void>;
  warn(text: string): void;
  post(message: FromThread): void;
}

/** Runs attempts: decode, locate, load, call, outcome. */
export class Executor {
  readonly #parts: ExecutorParts;
  readonly #contexts = new JobContexts();
  readonly #cancelled = new Set<string>();

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
  }

  /** The job on whose behalf the calling code runs. */
  current(): RunningJob | undefined {
    return this.#contexts.current;
  }

  /** Runs one turn; jobs are executed within. */
  turn(run: () => void): void {
    this.#contexts.turn(run);
  }

  /**
   * Runs one claimed job. Answers with nothing if it has ended, else with a
   * promise of its end; neither throws. A job that needs no time of its own
   * costs no turn of the event loop, and no promise.
   *
   * @param nowMs `Date.now()`.
   */
  execute(
    batch: ClaimedBatch,
    index: number,
    nowMs: number,
  ): Promise<void> | undefined {
    const text = batch.messages[index];
    let message: Message;
    try {
      message = decodeMessage(text);
    } catch (error) {
      batch.ended(unreadable(text, index, error));
      return;
    }
    const job = new RunningJob(batch, index, message, {
      post: this.#parts.post,
      startedAtMs: nowMs,
    });
    if (this.#cancelled.size > 0 && this.#cancelled.has(message.id ?? "")) {
      batch.ended(cancelledJob(job));
      return;
    }
    const known = this.#parts.functions.known(message.job);
    const { unique, onFailure } = message;
    // Most have neither; then nothing is to be asked before the start.
    const asks = unique !== undefined && unique.until === "start" ||
      onFailure !== undefined;
    if (known !== undefined && !asks) return this.#call(job, known);
    batch.running.set(index, job);
    return this.#loadAndCall(job);
  }

  /** These jobs are not to start any more, whenever they come; `anew`: they alone. */
  cancelled(ids: readonly string[], anew = false): void {
    if (anew) this.#cancelled.clear();
    for (const id of ids) this.#cancelled.add(id);
  }

  /** Aborts the signal of a job that runs on. */
  abort(job: RunningJob, reason: NonNullable<RunningJob["abortedBy"]>): void {
    // In its own context, so that a listener that throws is its own failure.
    this.#contexts.within(job, () => job.abort(reason));
  }

  /** Something failed that no code waits for: a job's, or the caller's. */
  uncaught(thrown: unknown, job = this.#contexts.owner): void {
    this.#contexts.distrust();
    if (job === undefined) {
      this.#parts.warn(`Uncaught, and no job owns it: ${describe(thrown)}`);
    } else if (!job.ended) {
      // It fails when it ends: until then it runs, and must not run twice.
      job.uncaught ??= { thrown };
    } else if (!job.batch.amend(failure(job, thrown, this.#parts.rules))) {
      this.#parts.warn(
        `Job ${job.name} had ended when it failed: ${describe(thrown)}`,
      );
    }
  }

  async #loadAndCall(job: RunningJob): Promise<void> {
    const { batch, index, message } = job;
    let found: JobFunction;
    try {
      const reference = messageReference(message);
      found = await this.#parts.functions.find(reference, message.job);
    } catch (error) {
      if (error instanceof UndecodableMessageError) {
        this.#end(job);
        batch.ended(unreadable(batch.messages[index], index, error));
      } else this.#fail(job, error);
      return;
    }
    // All this takes time; nothing of the job has run, so it can go back.
    const failed = await this.#failedBefore(job);
    const unlocked = failed !== null && await this.#unlock(job);
    const { abortedBy } = job;
    const end: EndedOtherwise | undefined = failed
      ? skipped(job, failed, this.#parts.rules)
      : abortedBy === "cancel"
      ? cancelledJob(job)
      : !unlocked || abortedBy !== undefined || !this.#parts.mayStart()
      ? { index, kind: "released" }
      : undefined;
    if (end !== undefined) {
      this.#end(job);
      batch.ended(end);
      return;
    }
    job.startedAtMs = Date.now();
    await this.#call(job, found);
  }

  /**
   * A job that has failed, after which this one was not to run; `null`: that
   * can't be known now.
   */
  async #failedBefore(
    { message: { after = [], onFailure } }: RunningJob,
  ): Promise<string | undefined | null> {
    if (onFailure === undefined) return undefined;
    try {
      const before = await this.#parts.predecessors(after);
      return before.find(({ status }) =>
        status === "failed" || status === "cancelled"
      )?.id;
    } catch (error) {
      this.#parts.warn(`Cannot see what was before: ${describe(error)}`);
      return null;
    }
  }

  /** Lets a unique key go that is the job's until its start. */
  async #unlock({ batch, index, message }: RunningJob): Promise<boolean> {
    // In fast mode that was done when it was taken.
    const { fast } = this.#parts.rules;
    if (message.unique?.until !== "start" || fast) return true;
    try {
      await this.#parts.unlock(batch.number, index);
      return true;
    } catch (error) {
      this.#parts.warn(`Cannot let a unique key go: ${describe(error)}`);
      return false;
    }
  }

  #call(job: RunningJob, found: JobFunction): Promise<void> | undefined {
    job.batch.starts(job.index);
    if (job.batch.measures(job.index)) job.measuredFromMs = performance.now();
    job.span = this.#parts.spans?.start(job);
    let value: unknown;
    try {
      value = this.#contexts.call(job, job.span?.within(found) ?? found);
    } catch (thrown) {
      return this.#fail(job, thrown);
    }
    if (!(value instanceof Promise)) return this.#returned(job, value);
    job.batch.running.set(job.index, job);
    return value.then(
      (result) => this.#returned(job, result),
      (thrown) => this.#fail(job, thrown),
    );
  }

  #returned(job: RunningJob, value: unknown): Promise<void> | undefined {
    if (typeof value !== "object" || value === null) {
      return this.#done(job, value);
    }
    let streamed: Promise<unknown>;
    try {
      const values = streamedValues(value);
      if (values === undefined) return this.#done(job, value);
      job.batch.running.set(job.index, job);
      const run = () => stream(values, job);
      streamed = this.#contexts.within(job, () => job.span?.run(run) ?? run());
    } catch (thrown) {
      return this.#fail(job, thrown);
    }
    return streamed.then(
      (result) => this.#done(job, result),
      (thrown) => this.#fail(job, thrown),
    );
  }

  #done(job: RunningJob, value: unknown): undefined {
    if (job.uncaught !== undefined) return this.#fail(job, undefined);
    this.#end(job);
    if (job.abortedBy === "cancel") {
      // It has its end already: that of one that was cancelled.
      const ended = cancelledJob(job);
      job.span?.end(ended);
      return void job.batch.ended(ended);
    }
    job.span?.end({ kind: "done" });
    const { id, result } = job.message;
    const wanted = result && isJobId(id);
    const shows = this.#parts.wantsShown();
    const outcome = wanted || shows ? resultOutcome(value) : "";
    const kept = wanted ? outcome : undefined;
    const shown = shows ? shownOutcome(outcome) : undefined;
    const ties = tiesOf(job.message);
    const { batch, index } = job;
    if (ties === undefined) {
      batch.done(index, wanted ? id : undefined, kept, shown);
    } else {
      batch.ended({ index, kind: "done", id, outcome: kept, shown, ties });
    }
  }

  #fail(job: RunningJob, thrown: unknown): undefined {
    this.#end(job);
    const { thrown: first } = job.uncaught ?? { thrown };
    const ended = failure(job, first, this.#parts.rules);
    job.span?.end(ended);
    job.batch.ended(ended);
  }

  #end(job: RunningJob): void {
    job.ended = true;
    job.reports?.end();
    if (job.measuredFromMs !== undefined) {
      job.batch.ran(performance.now() - job.measuredFromMs);
    }
    if (job.batch.running.size > 0) job.batch.running.delete(job.index);
  }
}

function describe(thrown: unknown): string {
  return thrown instanceof Error
    ? `${thrown.name}: ${thrown.message}`
    : Deno.inspect(thrown);
}
