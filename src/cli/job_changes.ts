/**
 * What an operator does to one job; several commands do it to many.
 *
 * @module
 */
import type { Inspector } from "../broker/inspector.ts";
import { encodeMessage, isJobId, type Message } from "../job/message.ts";
import { encodeOutcome } from "../job/outcome.ts";
import { tiesOf } from "../job/ties.ts";
import type { StoredJob } from "./stored_job.ts";

/** Does it; answers with why it could not, if so. */
export type JobChange = (
  inspector: Inspector,
  job: StoredJob,
) => Promise<string | undefined>;

const GONE = "it is not there any more";
const ENDED = "it has ended";

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
      const ties = message && tiesOf(message);
      const done = await inspector.replay(record, text, id, ties);
      if (done === "taken") {
        return `another job has its unique key ${ties?.unique}`;
      }
      return done === "gone" ? GONE : undefined;
    }
    case "scheduled":
    case "retry":
      return await inspector.hasten(record) ? undefined : GONE;
    case "blocked":
      return "it waits for other jobs";
    case "held":
      return `worker ${record.worker} has it`;
    default:
      return "it waits for a worker already";
  }
}

/** Cancels a job that has not ended. */
export async function cancelJob(
  inspector: Inspector,
  { record: { state, queue, atMs = 0 }, message }: StoredJob,
): Promise<string | undefined> {
  if (state === "failed") return ENDED;
  const id = message?.id;
  if (id === undefined) return "it has no id";
  const outcome = outcomeOf(message);
  const [done] = await inspector.cancel(queue, [{ id, dueMs: atMs, outcome }]);
  return done ? undefined : ENDED;
}

/** What whoever waits for a cancelled job is to be told, if anybody may wait. */
function outcomeOf(message: Message | undefined): string | undefined {
  if (!message?.result || !isJobId(message.id)) return undefined;
  return encodeOutcome({ kind: "cancelled" });
}

/** Removes a job that no worker has; who waits for its end hears of it. */
export async function deleteJob(
  inspector: Inspector,
  { record, message }: StoredJob,
): Promise<string | undefined> {
  if (record.state === "held") {
    return `worker ${record.worker} has it; cancel it instead`;
  }
  // What has failed has nothing any more; another job may have its key.
  const ties = record.state === "failed" || message === undefined
    ? undefined
    : tiesOf(message);
  if (!await inspector.remove(record, ties)) return GONE;
  const outcome = record.state === "failed" ? undefined : outcomeOf(message);
  if (outcome !== undefined) {
    const gone = { id: message!.id!, dueMs: 0, outcome, gone: true } as const;
    await inspector.cancel(record.queue, [gone]);
  }
  return undefined;
}
