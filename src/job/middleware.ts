import type { CurrentJob } from "../job_context.ts";

/**
 * The job around which middleware runs.
 *
 * @example
 * ```ts
 * import type { MiddlewareJob } from "@mqk/core";
 * export function nameOf({ reference, id, attempt }: MiddlewareJob): string {
 *   return `${reference} ${id}, attempt ${attempt}`;
 * }
 * ```
 */
export interface MiddlewareJob extends CurrentJob {
  /** Which function it calls, as it was sent: `<module>#<export>`. */
  readonly reference: string;
  /** The function's arguments. */
  readonly args: readonly unknown[];
  /** Name of the queue that it came from. */
  readonly queue: string;
}

/**
 * A function that runs around every job of a worker: the default export of a
 * module that `mqk run --use` names.
 *
 * It must return what `next` resolves with, the job's result, or another one
 * in its place. What it throws is the job's failure. An `AsyncLocalStorage`
 * that it fills around `next` is filled in the job.
 *
 * @param job The job that is about to run.
 * @param next Runs the rest: the next middleware, at last the job itself.
 * Resolves with its result, rejects with what it throws; to be called once at
 * most.
 *
 * @example Say how long each job took
 * ```ts
 * import type { Middleware } from "@mqk/core";
 * const timed: Middleware = async (job, next) => {
 *   const startedMs = performance.now();
 *   try {
 *     return await next();
 *   } finally {
 *     const ms = Math.round(performance.now() - startedMs);
 *     console.log(`${job.reference} took ${ms} ms`);
 *   }
 * };
 * export default timed;
 * ```
 */
export type Middleware = (
  job: MiddlewareJob,
  next: () => Promise<unknown>,
) => Promise<unknown>;

/** Runs `run` within all of `middleware`, the first one outermost. */
export async function runWithin(
  middleware: readonly Middleware[],
  job: MiddlewareJob,
  run: () => unknown,
): Promise<unknown> {
  const [first, ...rest] = middleware;
  if (first === undefined) return await run();
  let called = false;
  return await first(job, async () => {
    // A second run would be an attempt that nobody knows of.
    if (called) throw new Error("next() was called twice for one job");
    called = true;
    return await runWithin(rest, job, run);
  });
}
