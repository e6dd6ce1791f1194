import type { JobRecord } from "../broker/inspector.ts";
import type { AttemptRecord } from "../job/history.ts";
import { decodeMessage, type Message } from "../job/message.ts";
import { decodeFailedEntry, type FailedEntry } from "../job/outcome.ts";

/** A job as it lies in a queue, read as far as it can be. */
export interface StoredJob {
  readonly record: JobRecord;
  /** The job's id, else what else names it. */
  readonly id: string;
  readonly message?: Message;
  /** Of a failed job: why. */
  readonly entry?: FailedEntry;
}

/** Reads a job; one that nobody can decode is named by what it has. */
export function readJob(record: JobRecord): StoredJob {
  if (record.state !== "failed") {
    const message = readMessage(record.text);
    return { record, message, id: nameOf(message) ?? "?" };
  }
  const entry = readEntry(record.text);
  const message = entry.cut ? undefined : readMessage(entry.message);
  const id = nameOf(message) ?? entry.uid ?? record.key;
  return { record, message, entry, id };
}

/** The error of its last attempt as `<name>: <message>`, if one failed. */
export function errorOf({ entry, message }: StoredJob): string | undefined {
  return entry === undefined
    ? message?.history?.at(-1)?.error
    : `${entry.error.name}: ${entry.error.message}`;
}

/** What is known of its last attempts, oldest first. */
export function historyOf(
  { entry, message }: StoredJob,
): readonly AttemptRecord[] {
  return entry?.history ?? message?.history ?? [];
}

function nameOf(message: Message | undefined): string | undefined {
  return message?.id ?? message?.uid;
}

function readMessage(text: string): Message | undefined {
  try {
    return decodeMessage(text);
  } catch {
    // It can be shown and put back as it is.
  }
}

function readEntry(text: string): FailedEntry {
  try {
    return decodeFailedEntry(text);
  } catch {
    return {
      message: text,
      error: { name: "Error", message: "This entry can't be read" },
      attempts: 0,
      cut: true,
    };
  }
}
