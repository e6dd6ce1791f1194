import { lifecycleLog } from "../log.ts";
import type { Report } from "../master/orders.ts";
import type { Notice } from "../time/notice.ts";
import { sleep } from "../time/sleep.ts";
import type { InFlightJobs } from "./in_flight.ts";

/** At shutdown, signals abort so long before the end. */
const ABORT_BEFORE_END_MS = 5_000;
/**
 * What ended, and what is handed back, may take so long in any case; and, if
 * the broker is away, as long as the worker may take to stop.
 */
const LAST_WORDS_MS = 3_000;
/** When the process must die, what ended, or hears of it, has so long. */
const DYING_WORDS_MS = 400;
/** A worker that could not load a module replaces itself at most so often. */
const REPLACE_EVERY_MS = 10_000;
/** If what runs takes longer than this, a successor is not to wait for it. */
const RETIRE_ALONE_MS = 1_000;
/** One that did not start, or could not be had, is asked for again so often. */
const ASK_AGAIN_MS = 10_000;

/**
 * How a worker process ends. It is
 *
 * - `serving`, until one of the others;
 * - `retiring`: lets what runs end, however long, while a successor serves;
 * - `stopping`: lets what runs end within a time, hands back the rest;
 * - `dying`: ends at once, because nothing better is possible.
 *
 * It only ever goes down this list.
 */
export class Departure {
  /** Aborts when nothing may be reserved or started any more. */
  readonly stopping: AbortSignal;
  /** Aborts when the process ends, and no command is repeated any more. */
  readonly ending: AbortSignal;
  readonly #stopping = new AbortController();
  readonly #ending = new AbortController();
  readonly #changed: Notice;
  readonly #report: (report: Report) => void;
  readonly #startedAtMs = performance.now();
  #phase: "serving" | "retiring" | "stopping" | "dying" = "serving";

  /** @param changed Given whenever a job ended. */
  constructor(changed: Notice, report: (report: Report) => void) {
    this.#changed = changed;
    this.#report = report;
    this.stopping = this.#stopping.signal;
    this.ending = this.#ending.signal;
  }

  /** Lets what runs end, however long, and asks for a fresh process. */
  async retire(jobs: InFlightJobs, reason: string): Promise<void> {
    if (this.#phase !== "serving") return;
    this.#phase = "retiring";
    this.#stopReserving(jobs);
    const drained = new AbortController();
    const asking = AbortSignal.any([drained.signal, this.ending]);
    void this.#askForSuccessor(asking);
    await this.#changed.until(() => jobs.isDrained);
    drained.abort();
    await jobs.settled();
    this.#leave("retiring", reason);
  }

  /**
   * A module did not load, and a failed import is cached for good: retires, if
   * this process is not too young for that.
   */
  async retireStale(jobs: InFlightJobs, module: string): Promise<void> {
    if (this.#phase !== "serving") return;
    const ageMs = performance.now() - this.#startedAtMs;
    await sleep(REPLACE_EVERY_MS - ageMs, this.stopping);
    await this.retire(jobs, `module ${module} did not load`);
  }

  /** Ends within `timeoutMs`; what then still runs is handed back uncharged. */
  async stop(jobs: InFlightJobs, timeoutMs: number): Promise<void> {
    if (this.#phase === "dying") return;
    if (this.#phase === "stopping" && timeoutMs > 0) return;
    const phase = this.#phase = timeoutMs > 0 ? "stopping" : "dying";
    this.#stopReserving(jobs);
    const endMs = performance.now() + timeoutMs;
    if (timeoutMs > 0) await this.#drain(jobs, timeoutMs);
    if (this.#phase !== phase) return;
    jobs.handBack();
    const leftMs = Math.max(LAST_WORDS_MS, endMs - performance.now());
    await this.#within(leftMs, jobs.settled());
    this.#leave(phase);
  }

  /** Ends at once; what runs stays held, and is recovered by the successor. */
  async die(jobs: InFlightJobs, reason: string): Promise<void> {
    await this.#die(reason, () => jobs.flush());
  }

  /** The lease has lapsed: others may have these jobs already. */
  async fenced(jobs: InFlightJobs, error: Error): Promise<void> {
    if (this.#phase === "dying" || this.ending.aborted) return;
    jobs.freeze();
    jobs.abort("lease");
    // What runs must hear of it, and may end by itself.
    const drained = () => this.#changed.until(() => jobs.isDrained);
    await this.#die(
      error.message,
      () => Promise.all([drained(), jobs.flush()]),
    );
  }

  async #askForSuccessor(drained: AbortSignal): Promise<void> {
    await sleep(RETIRE_ALONE_MS, drained);
    while (!drained.aborted) {
      this.#report({ report: "worn" });
      await sleep(ASK_AGAIN_MS, drained);
    }
  }

  async #die(
    reason: string,
    lastWords: () => Promise<unknown>,
  ): Promise<void> {
    if (this.#phase === "dying") return;
    this.#phase = "dying";
    this.#stopping.abort();
    lifecycleLog.warn("Worker {pid} is replaced: {reason}", {
      pid: Deno.pid,
      reason,
    });
    await Promise.race([lastWords(), sleep(DYING_WORDS_MS)]);
    this.#leave("dying", reason);
  }

  async #within(milliseconds: number, work: Promise<void>): Promise<void> {
    const done = new AbortController();
    await Promise.race([work, sleep(milliseconds, done.signal)]);
    done.abort();
  }

  async #drain(jobs: InFlightJobs, timeoutMs: number): Promise<void> {
    const drained = new AbortController();
    const abortAfterMs = Math.max(0, timeoutMs - ABORT_BEFORE_END_MS);
    void sleep(abortAfterMs, drained.signal).then(() => {
      if (!drained.signal.aborted) jobs.abort("shutdown");
    });
    await Promise.race([
      this.#changed.until(() => jobs.isDrained),
      sleep(timeoutMs, drained.signal),
    ]);
    drained.abort();
  }

  #stopReserving(jobs: InFlightJobs): void {
    this.#stopping.abort();
    jobs.takeBack();
    this.#changed.give();
  }

  #leave(phase: string, replace?: string): void {
    if (this.#phase !== phase) return;
    if (replace !== undefined) {
      this.#report({ report: "replace", reason: replace });
    }
    this.#ending.abort();
  }
}
