/**
 * What an attempt ends with, as data for the broker.
 *
 * @module
 */
import { whatJsonLoses } from "../job/arguments.ts";
import { failAttempt, failUndecodable } from "../job/attempt.ts";
import { UnknownVersionError } from "../job/message.ts";
import {
  encodeOutcome,
  type ErrorData,
  errorData,
  MAX_RESULT_LENGTH,
} from "../job/outcome.ts";
import { tiesIn, tiesOf } from "../job/ties.ts";
import type { EndedOtherwise } from "./protocol.ts";
import { refusalOf, type RefusalRules } from "./refusal.ts";
import { abortError, type RunningJob } from "./running_job.ts";

/** What decides how a job goes on after a failure. */
export interface FailureRules extends RefusalRules {
  /** At most once: there is no other attempt. */
  readonly fast: boolean;
  /** The name of the worker. */
  readonly worker?: string;
}

const MAX_SHOWN_LENGTH = 100;

/** The stored form of what a job returned. Never throws. */
export function resultOutcome(value: unknown): string {
  switch (typeof value) {
    case "undefined":
      return "";
    case "boolean":
      return value ? "true" : "false";
    case "number":
      if (Number.isFinite(value)) return JSON.stringify(value);
  }
  if (typeof value === "string" && value.length > MAX_RESULT_LENGTH) {
    return tooLarge(value.length);
  }
  try {
    const loss = whatJsonLoses(value, "result");
    if (loss !== undefined) return notSerializable(loss);
    const json = JSON.stringify(value);
    return json.length > MAX_RESULT_LENGTH ? tooLarge(json.length) : json;
  } catch (error) {
    return notSerializable(`result: ${errorData(error).message}`);
  }
}

/** A result for the eye: its JSON, or why there is none. */
export function shownOutcome(outcome: string): string {
  if (outcome === "") return "nothing";
  const text = /^[?~]/.test(outcome)
    ? `not kept: ${outcome.slice(1)}`
    : outcome;
  return text.length <= MAX_SHOWN_LENGTH
    ? text
    : `${text.slice(0, MAX_SHOWN_LENGTH)}...`;
}

/** How a job goes on that threw, rejected, or could not be loaded. */
export function failure(
  job: RunningJob,
  thrown: unknown,
  rules: FailureRules,
): EndedOtherwise {
  const { fast } = rules;
  const { batch, index, message, abortedBy } = job;
  if (abortedBy === "cancel") return cancelledJob(job);
  const wish = wishOf(thrown);
  // It was told to stop: not its own failure. Fast mode can't run it again.
  const stopped = abortedBy === "shutdown" || abortedBy === "lease";
  if (stopped && !fast && wish === undefined) {
    return { index, kind: "released" };
  }
  const overran = abortedBy === "ttl" && wish === undefined;
  const refusal = overran ? undefined : refusalOf(thrown, rules);
  const data = overran
    ? withoutStack(abortError("ttl", message))
    : dataOf(thrown);
  const error = refusal ? { ...data, message: refusal.message } : data;
  const failed = failAttempt(batch.messages[index], message, error, {
    final: fast || wish?.final || refusal?.final,
    delayMs: wish?.delayMs,
    run: { worker: rules.worker, startMs: job.startedAtMs },
  });
  const ties = tiesOf(message);
  return failed.kind === "retry"
    ? { index, ...failed, id: job.name, error, ties }
    : { index, ...failed, error, ties };
}

/** The end of a job that does not run because one before it has failed. */
export function skipped(
  { batch, index, message }: RunningJob,
  failed: string,
  { worker }: FailureRules,
): EndedOtherwise {
  const error = {
    name: "PredecessorFailedError",
    message: `job ${failed} has not succeeded, after which this one was to run`,
  };
  const end = failAttempt(batch.messages[index], message, error, {
    final: true,
    run: { worker },
  });
  if (end.kind !== "failed") throw new Error("It was to be final");
  return { index, ...end, error, ties: tiesOf(message) };
}

/** The end of a job that was cancelled. */
export function cancelledJob({ index, name }: RunningJob): EndedOtherwise {
  return { index, kind: "cancelled", id: name };
}

/** The end of a message that can't be read. */
export function unreadable(
  text: string,
  index: number,
  reason: unknown,
): EndedOtherwise {
  if (reason instanceof UnknownVersionError) {
    return { index, kind: "postponed" };
  }
  const error = withoutStack(reason);
  const failed = failUndecodable(text, error);
  if (failed.kind !== "failed") throw new Error("It can't be tried again");
  return { index, ...failed, error, ties: tiesIn(text) };
}

/**
 * What a job asks for by what it throws. Its module may have its own copy of
 * the library, so the class is known by its name and shape.
 */
function wishOf(
  thrown: unknown,
): { final?: boolean; delayMs?: number } | undefined {
  try {
    const { name, seconds } = Object(thrown) as Record<string, unknown>;
    if (name === "NoRetry") return { final: true };
    if (name === "RetryAfter" && typeof seconds === "number" && seconds >= 0) {
      return { delayMs: Math.min(seconds, MAX_DELAY_SECONDS) * 1000 };
    }
  } catch {
    // A getter that throws: no wish.
  }
}

const MAX_DELAY_SECONDS = 10 * 366 * 86_400;

/** An error of a job with its stack; one of ours has none that helps. */
function dataOf(thrown: unknown): ErrorData {
  const data = errorData(thrown);
  if (data.name !== "LoadError") return data;
  const { cause } = thrown as Error;
  const stack = cause instanceof Error ? errorData(cause).stack : undefined;
  return { name: data.name, message: data.message, ...(stack && { stack }) };
}

function withoutStack(thrown: unknown): ErrorData {
  const { name, message } = errorData(thrown);
  return { name, message };
}

function notSerializable(message: string): string {
  return encodeOutcome({ kind: "not_serializable", message });
}

function tooLarge(length: number): string {
  return encodeOutcome({
    kind: "too_large",
    message: `The result has ${length} characters as JSON; ` +
      `at most ${MAX_RESULT_LENGTH} are kept`,
  });
}
