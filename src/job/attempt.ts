import { type AttemptRun, withAttempt } from "./history.ts";
import { encodeMessage, isJobId, type Message } from "./message.ts";
import { encodeFailedEntry, encodeOutcome, type ErrorData } from "./outcome.ts";
import { retryDelayMs } from "./retry.ts";

/** How a job goes on after an attempt that failed. */
export type FailedAttempt =
  | {
    readonly kind: "retry";
    /** The message with its next attempt. */
    readonly message: string;
    readonly delayMs: number;
  }
  | {
    readonly kind: "failed";
    /** Its entry of the failed set. */
    readonly entry: string;
    /** With `outcome`: what waits for it is told; left out if nobody can. */
    readonly id?: string;
    readonly outcome?: string;
  };

/** What decides whether there is another attempt. */
export interface FailureOptions {
  /** No further attempt, whatever is left. */
  readonly final?: boolean;
  /** Milliseconds until the next one, instead of the message's backoff. */
  readonly delayMs?: number;
  readonly random?: () => number;
  /** Who ran it; left out: the worker died. */
  readonly run?: AttemptRun;
}

/**
 * Charges one attempt: the job is tried again, or is in the failed set with
 * this error. `text` is the message as it was stored.
 */
export function failAttempt(
  text: string,
  message: Message,
  error: ErrorData,
  { final = false, delayMs, random, run }: FailureOptions = {},
): FailedAttempt {
  const { id, attempt, retries, backoff } = message;
  const history = withAttempt(message.history, attempt, error, run);
  if (!final && attempt <= retries) {
    return {
      kind: "retry",
      message: encodeMessage({
        ...message,
        attempt: attempt + 1,
        uid: message.uid ?? (isJobId(id) ? undefined : crypto.randomUUID()),
        history,
      }),
      delayMs: delayMs ?? retryDelayMs(backoff, attempt, random),
    };
  }
  const entry = encodeFailedEntry({
    message: text,
    error,
    attempts: attempt,
    uid: isJobId(id) ? undefined : crypto.randomUUID(),
    history,
  });
  if (!isJobId(id) || !message.result) return { kind: "failed", entry };
  const outcome = encodeOutcome({ kind: "failed", error, attempts: attempt });
  return { kind: "failed", entry, id, outcome };
}

/** The end of a message that can't be read: it was never an attempt. */
export function failUndecodable(
  text: string,
  error: ErrorData,
): Extract<FailedAttempt, { kind: "failed" }> {
  const uid = crypto.randomUUID();
  return {
    kind: "failed",
    entry: encodeFailedEntry({ message: text, error, attempts: 0, uid }),
  };
}
