/**
 * What a job that is tried again remembers of its last attempts, so that an
 * operator sees them. It is bounded: a message must not outgrow its limit.
 *
 * @module
 */
/** Older attempts are forgotten. */
const MAX_ATTEMPTS = 5;
const MAX_ERROR_LENGTH = 200;
const MAX_WORKER_LENGTH = 200;

/** One attempt that failed. */
export interface AttemptRecord {
  readonly attempt: number;
  /** The worker that ran it, and since when, unless that died with it. */
  readonly worker?: string;
  /** Milliseconds since 1970, as `endMs`, by that worker's clock. */
  readonly startMs?: number;
  readonly endMs: number;
  /** `<name>: <message>`, cut. */
  readonly error: string;
}

/** Who ran an attempt, as far as that is known. */
export type AttemptRun = Pick<AttemptRecord, "worker" | "startMs">;

/** A history with one more attempt. */
export function withAttempt(
  history: readonly AttemptRecord[] = [],
  attempt: number,
  { name, message }: { readonly name: string; readonly message: string },
  run: AttemptRun = {},
): readonly AttemptRecord[] {
  const error = cut(`${name}: ${message}`, MAX_ERROR_LENGTH);
  return [...history, { attempt, ...run, endMs: Date.now(), error }]
    .slice(-MAX_ATTEMPTS);
}

/** The stored form: a JSON list. */
export function encodeHistory(history: readonly AttemptRecord[]): string {
  return JSON.stringify(
    history.map(({ attempt, worker, startMs, endMs, error }) => ({
      attempt,
      worker,
      start: startMs,
      end: endMs,
      error,
    })),
  );
}

/** Reads a stored history; whoever wrote it, what is no attempt is left out. */
export function readHistory(
  value: unknown,
): readonly AttemptRecord[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const history: AttemptRecord[] = [];
  for (const item of value.slice(-MAX_ATTEMPTS)) {
    const { attempt, worker, start, end, error } = Object(item);
    if (!Number.isInteger(attempt) || typeof error !== "string") continue;
    if (!Number.isFinite(end)) continue;
    history.push({
      attempt,
      ...(typeof worker === "string" &&
        { worker: cut(worker, MAX_WORKER_LENGTH) }),
      ...(Number.isFinite(start) && { startMs: start }),
      endMs: end,
      error: cut(error, MAX_ERROR_LENGTH),
    });
  }
  return history.length === 0 ? undefined : history;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length - 3) + "...";
}
