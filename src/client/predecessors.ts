import {
  type PredecessorOutcome,
  readPredecessors,
} from "../job/predecessors.ts";
import { currentJob, jobContext } from "../job_context.ts";

/**
 * How those jobs ended after which the calling job was to start (`after`), in
 * their order; empty if it was to wait for none. To be called inside a job, up
 * to an hour after they have ended.
 *
 * @throws {Error} Outside a job.
 * @throws {BrokerError} If the broker can't be reached, or refuses.
 *
 * @example
 * ```ts
 * import { predecessors } from "@mqk/core";
 * export async function total(): Promise<number> {
 *   const parts = await predecessors();
 *   return parts.reduce((sum, { value }) => sum + Number(value ?? 0), 0);
 * }
 * ```
 */
export async function predecessors(): Promise<PredecessorOutcome[]> {
  const { after } = currentJob();
  const { store } = jobContext()!;
  return await readPredecessors(
    after,
    (queue, ids) => store.results(queue, ids),
  );
}
