/**
 * The slot through which job code finds its job, and its worker's broker. It
 * lies on `globalThis` under a registered symbol, so it is found even when the
 * job's module has its own copy of this library.
 *
 * @module
 */
import type { JobStore } from "./broker/broker.ts";
import type { QueueControl } from "./broker/control.ts";

/** What a job can learn about itself while it runs. */
export interface CurrentJob {
  /** Id of the job, `<producer>.<n>`. */
  readonly id: string;
  /** Which charged execution this is: 1 to retries + 1. */
  readonly attempt: number;
  /** The jobs after which it was to start; see `predecessors()`. */
  readonly after: readonly string[];
  /** Aborts at the job's ttl, at shutdown, and when the lease is lost. */
  readonly signal: AbortSignal;
  /**
   * Tells those who follow the job with `job.updates()`: how far it is, or a
   * part of what it makes. The last 1,000 updates of a job are kept, until an
   * hour after the last one.
   *
   * Resolves when the worker has it; all are stored before the job's outcome.
   * Await it in a loop: it then slows the job down to what the store takes.
   * Else it waits in memory, and beyond 1,000 updates or 1 MiB the oldest are
   * dropped. What the store refuses is lost too, with a warning in the worker's
   * log: a job does not fail because nobody could be told.
   *
   * @param value What JSON keeps unchanged, of at most 64 KiB of JSON.
   * @throws {ArgumentError} If JSON would lose or change it, or it is larger.
   *
   * @example
   * ```ts
   * import { currentJob } from "@mqk/core";
   * export async function resize(paths: string[]): Promise<void> {
   *   for (const [done, path] of paths.entries()) {
   *     await Deno.copyFile(path, path + ".small");
   *     await currentJob().report({ done: done + 1, of: paths.length });
   *   }
   * }
   * ```
   */
  report(value: unknown): Promise<void>;
}

/** What the job thread offers to the library inside it. */
export interface JobContext {
  /** The job in whose asynchronous context the caller runs, if any. */
  current(): CurrentJob | undefined;
  /** The worker's own broker, as far as job code may use it. */
  readonly store: JobStore;
  /** Milliseconds since 1970, if there is another clock than the system's. */
  readonly now?: () => number;
  /** What sets how queues are served, if code here may do that. */
  readonly control?: () => Promise<QueueControl>;
}

const SLOT = Symbol.for("mqk.job_context.v1");

/** Fills the slot; the job thread does this once, before job code loads. */
export function provideJobContext(context: JobContext): void {
  Object.defineProperty(globalThis, SLOT, { value: context });
}

/**
 * Lets `find` say, call by call, what there is for the calling code: for a
 * process that is no job thread and runs jobs all the same.
 */
export function provideJobContexts(find: () => JobContext | undefined): void {
  Object.defineProperty(globalThis, SLOT, { get: find, configurable: true });
}

/** What the job thread offers, or nothing outside one. */
export function jobContext(): JobContext | undefined {
  return (globalThis as { [SLOT]?: JobContext })[SLOT];
}

/**
 * The job that runs the calling code.
 *
 * @throws {Error} Outside a job.
 *
 * @example Stop when the ttl is over
 * ```ts
 * import { currentJob } from "@mqk/core";
 * export async function download(url: string) {
 *   const response = await fetch(url, { signal: currentJob().signal });
 *   return (await response.arrayBuffer()).byteLength;
 * }
 * ```
 */
export function currentJob(): CurrentJob {
  const job = jobContext()?.current();
  if (job === undefined) {
    throw new Error("currentJob() was called outside a job");
  }
  return job;
}
