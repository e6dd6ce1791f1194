import type { AttemptRecord } from "../job/history.ts";
import { historyOf, type StoredJob } from "./stored_job.ts";

/** A job as JSON, with its arguments and attempts; the same in all commands. */
export function jobJson(job: StoredJob): Record<string, unknown> {
  const { id, record, message, entry } = job;
  const { queue, state, worker, atMs } = record;
  const time = atMs === undefined ? undefined : isoTime(atMs);
  return {
    id,
    queue,
    state,
    job: message?.job,
    args: message?.args,
    attempt: entry?.attempts ?? message?.attempt,
    retries: message?.retries,
    ttl: message?.ttl,
    group: message?.group,
    sent: message?.sentMs === undefined ? undefined : isoTime(message.sentMs),
    [state === "failed" ? "failed" : "due"]: time,
    worker,
    error: entry?.error,
    history: historyOf(job).map(attemptJson),
    ...(message === undefined && { message: entry?.message ?? record.text }),
  };
}

function attemptJson(
  { attempt, worker, startMs, endMs, error }: AttemptRecord,
): Record<string, unknown> {
  const start = startMs === undefined ? undefined : isoTime(startMs);
  return { attempt, worker, start, end: isoTime(endMs), error };
}

/** A moment that somebody else wrote: it may be none. */
function isoTime(milliseconds: number): string | undefined {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
