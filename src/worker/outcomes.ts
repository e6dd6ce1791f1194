import type { Settlement } from "../broker/broker.ts";
import { failAttempt, failUndecodable } from "../job/attempt.ts";
import { decodeMessage, isJobId, type Message } from "../job/message.ts";
import { encodeOutcome, type ErrorData, errorData } from "../job/outcome.ts";
import { tiesIn, tiesOf } from "../job/ties.ts";
import type { Ended, FromThread } from "../thread/protocol.ts";
import type { Flight } from "./flight.ts";
import type { JobLog } from "./job_log.ts";

/** A message of an unknown version waits so long for a worker that knows it. */
const POSTPONE_MS = 30_000;
/** After so long it goes to the failed set. */
const GIVE_UP_AFTER_MS = 86_400_000;

const UNKNOWN_VERSION: ErrorData = {
  name: "UnknownVersionError",
  message: "for a day no worker knew the version of this message",
};

/** What a job is told that was alone when its worker died. */
function workerDied(maxMemoryMb?: number): ErrorData {
  const limit = maxMemoryMb === undefined
    ? ""
    : `; it may have used more than the ${maxMemoryMb} MB of --max-memory`;
  return {
    name: "WorkerDiedError",
    message: `the worker died while running only this job${limit}`,
  };
}

/** What ended, job by job. */
export function endedOf(
  { done, others }: Extract<FromThread, { kind: "ended" }>,
): Ended[] {
  const ended: Ended[] = done.indices.map((index, position) => ({
    index,
    kind: "done",
    id: done.ids[position],
    outcome: done.outcomes[position],
    shown: done.shown[position],
  }));
  return others.length === 0 ? ended : [...ended, ...others];
}

/** What the broker is told of a job that the thread ended; nothing: release it. */
export function settlementOf(
  flight: Flight,
  ended: Ended,
): Settlement | undefined {
  const token = flight.tokens[ended.index];
  switch (ended.kind) {
    case "done":
      return {
        kind: "done",
        token,
        id: ended.id,
        outcome: ended.outcome,
        ties: ended.ties,
      };
    case "cancelled":
      return cancelledEnd(token, flight.messages[ended.index], () => true);
    case "retry":
      return {
        kind: "retry",
        token,
        message: ended.message,
        delayMs: ended.delayMs,
        ties: ended.ties,
      };
    case "failed":
      return {
        kind: "failed",
        token,
        entry: ended.entry,
        id: ended.id,
        outcome: ended.outcome,
        ties: ended.ties,
      };
    case "postponed":
      return {
        kind: "retry",
        token,
        message: flight.messages[ended.index],
        delayMs: POSTPONE_MS,
        ties: tiesIn(flight.messages[ended.index]),
        giveUp: {
          afterMs: GIVE_UP_AFTER_MS,
          entry: failUndecodable(
            flight.messages[ended.index],
            UNKNOWN_VERSION,
          ).entry,
        },
      };
    case "released":
      return undefined;
  }
}

/**
 * Charges a job that was alone in a worker when that died; it is told the limit
 * of memory, if there is one.
 */
export function settleCrashed(
  flight: Flight,
  index: number,
  maxMemoryMb?: number,
): Settlement {
  const text = flight.messages[index];
  const token = flight.tokens[index];
  let message: Message;
  try {
    message = decodeMessage(text);
  } catch (error) {
    return {
      token,
      ...failUndecodable(text, errorData(error)),
      ties: tiesIn(text),
    };
  }
  const failed = failAttempt(text, message, workerDied(maxMemoryMb));
  const ties = tiesOf(message);
  return failed.kind === "retry"
    ? { token, ...failed, ties, alone: true }
    : { token, ...failed, ties };
}

/** How a job ends that was cancelled; nothing: it was not. */
export function cancelledEnd(
  token: string,
  text: string,
  isCancelled: (id: string | undefined) => boolean,
): Settlement | undefined {
  let message: Message;
  try {
    message = decodeMessage(text);
  } catch {
    return undefined;
  }
  return isCancelled(message.id)
    ? cancelledSettlement(token, message)
    : undefined;
}

/** The end of a job that was cancelled: the broker need not know of it any more. */
export function cancelledSettlement(
  token: string,
  message: Message,
): Settlement {
  const { id, result } = message;
  const kept = result && isJobId(id);
  return {
    kind: "done",
    token,
    ...(kept && { id, outcome: encodeOutcome({ kind: "cancelled" }) }),
    ties: tiesOf(message) ?? (id === undefined ? undefined : { id }),
  };
}

/** Says in the log what became of a job. */
export function logEnded(log: JobLog, flight: Flight, ended: Ended): void {
  switch (ended.kind) {
    case "done":
      return log.done(ended.shown);
    case "retry":
      return log.failed(
        ended.id,
        printError(ended.error),
        `next attempt in ${(ended.delayMs / 1000).toFixed(1)} s`,
      );
    case "failed":
      return log.failed(
        ended.id ?? flight.tokens[ended.index],
        printError(ended.error),
        "it has used up its attempts",
      );
    case "cancelled":
      return log.cancelled(ended.id);
    case "postponed":
      return log.putBack(flight.tokens[ended.index]);
    case "released":
      return;
  }
}

function printError({ name, message }: ErrorData): string {
  return `${name}: ${message}`;
}
