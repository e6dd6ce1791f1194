import { abortError, type RunningJob } from "./running_job.ts";

type Values = Iterator<unknown> | AsyncIterator<unknown>;

/**
 * The values that a job streams, if what it returned is a generator, or
 * another object that is iterated with `for await`.
 */
export function streamedValues(returned: object): Values | undefined {
  const { [Symbol.asyncIterator]: iterate } = returned as Partial<
    AsyncIterable<unknown>
  >;
  if (typeof iterate === "function") return iterate.call(returned);
  return Object.prototype.toString.call(returned) === "[object Generator]"
    ? returned as Generator
    : undefined;
}

/**
 * Reports the values, asking for the next one when there is room for it, and
 * answers with what is returned in the end. An abort ends it between two.
 */
export async function stream(
  values: Values,
  job: RunningJob,
): Promise<unknown> {
  for (;;) {
    const { done, value } = await values.next();
    const awaited = await value;
    if (done) return awaited;
    try {
      await job.report(awaited);
      if (job.abortedBy !== undefined) {
        throw abortError(job.abortedBy, job.message);
      }
    } catch (error) {
      // Lets its `finally` blocks run.
      await values.return?.();
      throw error;
    }
  }
}
