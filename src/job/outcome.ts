/**
 * How a job ended, as text that a broker stores without reading it.
 *
 * @module
 */

import { type AttemptRecord, encodeHistory, readHistory } from "./history.ts";

/** The largest result that is kept, in UTF-16 units of its JSON. */
export const MAX_RESULT_LENGTH = 1024 * 1024;
const MAX_ERROR_LENGTH = 16 * 1024;

/** An error as data. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
}

/** What is stored about a job that ended. */
export type Outcome =
  /** `json` is its result; empty text: it returned nothing. */
  | { readonly kind: "done"; readonly json: string }
  | {
    readonly kind: "failed";
    readonly error: ErrorData;
    readonly attempts: number;
  }
  /** Done, but JSON can't hold what it returned. */
  | { readonly kind: "not_serializable"; readonly message: string }
  /** Done, but the result is larger than what is kept. */
  | { readonly kind: "too_large"; readonly message: string }
  /** It was cancelled before it had ended. */
  | { readonly kind: "cancelled" };

/** JSON never begins with these marks, so a result is stored as it is. */
const FAILED = "!";
const NOT_SERIALIZABLE = "?";
const TOO_LARGE = "~";
const CANCELLED = "^";

/** The stored form of an outcome. */
export function encodeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case "done":
      return outcome.json;
    case "failed":
      return FAILED +
        JSON.stringify({ error: outcome.error, attempts: outcome.attempts });
    case "not_serializable":
      return NOT_SERIALIZABLE + outcome.message;
    case "too_large":
      return TOO_LARGE + outcome.message;
    case "cancelled":
      return CANCELLED;
  }
}

/** Reads what {@linkcode encodeOutcome} wrote. */
export function decodeOutcome(text: string): Outcome {
  switch (text.charAt(0)) {
    case FAILED:
      return { kind: "failed", ...JSON.parse(text.slice(1)) };
    case NOT_SERIALIZABLE:
      return { kind: "not_serializable", message: text.slice(1) };
    case TOO_LARGE:
      return { kind: "too_large", message: text.slice(1) };
    case CANCELLED:
      return { kind: "cancelled" };
    default:
      return { kind: "done", json: text };
  }
}

/** Anything that was thrown, as data of at most 16 KiB. Never throws. */
export function errorData(thrown: unknown): ErrorData {
  try {
    if (thrown instanceof Error || isErrorLike(thrown)) {
      return {
        name: cut(String(thrown.name), 200),
        message: cut(String(thrown.message), MAX_ERROR_LENGTH / 2),
        ...(typeof thrown.stack === "string" &&
          { stack: cut(thrown.stack, MAX_ERROR_LENGTH / 2) }),
      };
    }
    const text = typeof thrown === "string" ? thrown : Deno.inspect(thrown);
    return { name: "Error", message: cut(text, MAX_ERROR_LENGTH / 2) };
  } catch {
    return { name: "Error", message: "The job threw what can't be printed" };
  }
}

/** An entry of the failed set: the message as it was, and why it is there. */
export interface FailedEntry {
  /** The message; only its first KiB if `cut`, and then no replay is possible. */
  readonly message: string;
  readonly error: ErrorData;
  /** Charged attempts; 0 if it could not be read. */
  readonly attempts: number;
  readonly cut?: boolean;
  /** Tells equal messages apart that have no id. */
  readonly uid?: string;
  /** Its last attempts. */
  readonly history?: readonly AttemptRecord[];
}

/** The stored form of an entry of the failed set. */
export function encodeFailedEntry(entry: FailedEntry): string {
  const { history, ...rest } = entry;
  const text = JSON.stringify(rest);
  if (history === undefined) return text;
  return `${text.slice(0, -1)},"history":${encodeHistory(history)}}`;
}

/** Reads what {@linkcode encodeFailedEntry} or a script wrote. */
export function decodeFailedEntry(text: string): FailedEntry {
  const { history, ...entry } = JSON.parse(text);
  if (history === undefined) return entry;
  return { ...entry, history: readHistory(history) };
}

function isErrorLike(
  value: unknown,
): value is { name: unknown; message: unknown; stack?: unknown } {
  return typeof value === "object" && value !== null && "message" in value &&
    "name" in value;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length) + " [cut]";
}
