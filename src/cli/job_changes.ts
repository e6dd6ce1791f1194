/**
 * What an operator does to one job; several commands do it to many.
 *
 * @module
 */
import type { Inspector } from "../broker/inspector.ts";
import { encodeMessage, isJobId } from "../job/message.ts";
import type { StoredJob } from "./stored_job.ts";

/** Does it; answers with why it could not, if so. */
export type JobChange = (
  inspector: Inspector,
  job: StoredJob,
) => Promise<string | undefined>;

const GONE = "it is not there any more";

/**
 * Puts a failed job back under its id, with attempt 1; makes one due that waits
 * for its time.
 */
export async function retryJob(
  inspector: Inspector,
  { record, entry, message }: StoredJob,
): Promise<string | undefined> {
  switch (record.state) {
    case "failed": {
      if (entry!.cut) return "only the beginning of its message is kept";
      const text = message === undefined
        ? entry!.message
        : encodeMessage({ ...message, attempt: 1, history: entry!.history });
      const id = isJobId(message?.id) ? message.id : undefined;
      return await inspector.replay(record, text, id) ? undefined : GONE;
    }
    case "scheduled":
    case "retry":
      return await inspector.hasten(record) ? undefined : GONE;
    case "held":
      return `worker ${record.worker} has it`;
    default:
      return "it waits for a worker already";
  }
}

/** Removes a job that no worker has. */
export async function deleteJob(
  inspector: Inspector,
  { record }: StoredJob,
): Promise<string | undefined> {
  if (record.state === "held") {
    return `worker ${record.worker} has it; cancel it instead`;
  }
  return await inspector.remove(record) ? undefined : GONE;
}
