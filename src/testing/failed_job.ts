import type { JobRecord } from "../broker/inspector.ts";
import { decodeMessage } from "../job/message.ts";
import { decodeFailedEntry } from "../job/outcome.ts";

/**
 * A job that used up its attempts while a test ran.
 *
 * @example
 * ```ts
 * import { type FailedJob, testMqk } from "@mqk/core/testing";
 * await using mqk = testMqk();
 * await mqk.client.invoke({ job: "./no_such.ts#job", retries: 0 });
 * await mqk.run();
 * const [{ error }]: FailedJob[] = await mqk.failed();
 * console.log(error.message); // Cannot find module ./no_such.ts ...
 * ```
 */
export interface FailedJob {
  /** Id of the job, `<producer>.<n>`. */
  readonly id: string;
  /** Which function it called. */
  readonly reference: string;
  /** The function's arguments. */
  readonly args: readonly unknown[];
  /** Name of its queue. */
  readonly queue: string;
  /** Attempts that were charged. */
  readonly attempts: number;
  /** What the last attempt threw. */
  readonly error: {
    /** Name of the error's class. */
    readonly name: string;
    /** What it says. */
    readonly message: string;
    /** Where it came from, if that is known. */
    readonly stack?: string;
  };
  /** When it failed, by the clock of the test. */
  readonly failedAt: Date;
}

/** An entry of a failed set as a test sees it. */
export function failedJob(
  { queue, atMs = 0, text }: JobRecord,
): FailedJob {
  const { message, error, attempts } = decodeFailedEntry(text);
  const { id = "", job, args } = decodeMessage(message);
  return {
    id,
    reference: job,
    args,
    queue,
    attempts,
    error,
    failedAt: new Date(atMs),
  };
}
