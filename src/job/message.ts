import { type AttemptRecord, encodeHistory, readHistory } from "./history.ts";
import { checkPolicy, DEFAULT_RETRIES, DEFAULT_TTL_SECONDS } from "./policy.ts";
import { parseReference } from "./reference.ts";
import type { Backoff } from "./retry.ts";

/** The format's version; a worker that meets a later one leaves it alone. */
export const MESSAGE_VERSION = 1;

/** The longest message that MQK sends, in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** A job as a worker sees it. `docs/message_format.md` describes the text. */
export interface Message {
  /** `<producer>.<n>`; missing in what other programs pushed without one. */
  readonly id?: string;
  /** Given by the first worker that stores a message without `id` again. */
  readonly uid?: string;
  /** Which function: `<module>#<export>`. */
  readonly job: string;
  readonly args: readonly unknown[];
  /** Seconds that one attempt may take. */
  readonly ttl: number;
  readonly retries: number;
  readonly backoff: Backoff;
  /** The attempt that runs next, 1 to retries + 1. */
  readonly attempt: number;
  /** Whether its outcome is kept. */
  readonly result: boolean;
  /** The unique key that it has; until `"start"` or `"end"`. */
  readonly unique?: { readonly key: string; readonly until: "start" | "end" };
  /** The group to which it belongs. */
  readonly group?: string;
  /** The jobs after which it was to start, each as `<queue>/<id>`. */
  readonly after?: readonly string[];
  /** It does not run if one of them has failed. */
  readonly onFailure?: "skip";
  /**
   * When it was sent, in milliseconds since 1970 by the sender's clock. Of many
   * jobs that one client sends together, the first and one in 500 say it.
   */
  readonly sentMs?: number;
  /** Its last attempts, if any failed. */
  readonly history?: readonly AttemptRecord[];
  /** What names the span of its sender, for each way to do so. */
  readonly trace?: Readonly<Record<string, string>>;
}

/** The text is not a message of any version that can be read. */
export class UndecodableMessageError extends Error {
  override name = "UndecodableMessageError";
}

/** The message is of a version that this program does not know. */
export class UnknownVersionError extends Error {
  override name = "UnknownVersionError";
}

const JOB_ID = /^[A-Za-z0-9_-]{1,64}\.(0|[1-9][0-9]{0,14})$/;

/** Whether `id` is `<producer>.<n>`, so that its outcome can be stored. */
export function isJobId(id: unknown): id is string {
  return typeof id === "string" && JOB_ID.test(id);
}

/** The stored form of a job: JSON without the fields that have their default. */
export function encodeMessage(message: Message): string {
  return encodeWithArguments(message, JSON.stringify(message.args));
}

/** As {@linkcode encodeMessage}, with arguments that are JSON already. */
export function encodeWithArguments(
  message: Omit<Message, "args">,
  args: string,
): string {
  let text = `{"v":${MESSAGE_VERSION}`;
  if (message.id !== undefined) text += `,"id":${JSON.stringify(message.id)}`;
  text += `,"job":${JSON.stringify(message.job)},"args":${args}`;
  if (message.ttl !== DEFAULT_TTL_SECONDS) text += `,"ttl":${message.ttl}`;
  if (message.retries !== DEFAULT_RETRIES) {
    text += `,"retries":${message.retries}`;
  }
  if (message.backoff !== "exponential") {
    text += `,"backoff":{"fixed":${message.backoff.fixed}}`;
  }
  if (message.attempt !== 1) text += `,"attempt":${message.attempt}`;
  if (!message.result) text += `,"result":false`;
  if (message.unique !== undefined) {
    const { key, until } = message.unique;
    text += `,"unique":{"key":${JSON.stringify(key)},"until":"${until}"}`;
  }
  if (message.group !== undefined) {
    text += `,"group":${JSON.stringify(message.group)}`;
  }
  if (message.after !== undefined) {
    text += `,"after":${JSON.stringify(message.after)}`;
  }
  if (message.onFailure === "skip") text += `,"onFailure":"skip"`;
  if (message.sentMs !== undefined) text += `,"sent":${message.sentMs}`;
  if (message.trace !== undefined) {
    text += `,"trace":${JSON.stringify(message.trace)}`;
  }
  if (message.uid !== undefined) {
    text += `,"uid":${JSON.stringify(message.uid)}`;
  }
  if (message.history !== undefined) {
    text += `,"history":${encodeHistory(message.history)}`;
  }
  return text + "}";
}

/**
 * Reads a stored message; whoever pushed it, nothing in it is trusted.
 *
 * @throws {UndecodableMessageError} Saying what is wrong with it.
 * @throws {UnknownVersionError} If its version is later than this program's.
 */
export function decodeMessage(text: string): Message {
  const fields = parseObject(text);
  const version = fields.v;
  if (version !== MESSAGE_VERSION) {
    if (typeof version === "number" && version > MESSAGE_VERSION) {
      throw new UnknownVersionError(
        `The message has version ${version}; this program reads ${MESSAGE_VERSION}`,
      );
    }
    throw bad(`"v" must be ${MESSAGE_VERSION}, got ${JSON.stringify(version)}`);
  }
  const {
    id,
    uid,
    job,
    args = [],
    ttl = DEFAULT_TTL_SECONDS,
    retries = DEFAULT_RETRIES,
    backoff = "exponential",
    attempt = 1,
    result = true,
    unique,
    group,
    after,
    onFailure,
    sent: sentMs,
    history,
    trace,
  } = fields as Partial<Message> & { readonly sent?: number };
  if (id !== undefined && typeof id !== "string") {
    throw bad('"id" must be text');
  }
  if (uid !== undefined && typeof uid !== "string") {
    throw bad('"uid" must be text');
  }
  if (typeof job !== "string") throw bad('"job" must be text');
  if (!Array.isArray(args)) throw bad('"args" must be a list');
  if (!Number.isInteger(attempt) || attempt < 1) {
    throw bad('"attempt" must be a whole number from 1');
  }
  if (sentMs !== undefined && typeof sentMs !== "number") {
    throw bad('"sent" must be a number');
  }
  if (unique !== undefined || group !== undefined) checkTies(unique, group);
  if (after !== undefined || onFailure !== undefined) {
    checkAfter(after, onFailure);
  }
  // What has all defaults, as most messages do, needs no second look.
  if (
    ttl !== DEFAULT_TTL_SECONDS || retries !== DEFAULT_RETRIES ||
    backoff !== "exponential" || result !== true
  ) {
    try {
      checkPolicy({ ttl, retries, backoff, result });
    } catch (error) {
      throw bad((error as Error).message);
    }
  }
  return {
    id,
    uid,
    job,
    args,
    ttl,
    retries,
    backoff,
    attempt,
    result,
    unique,
    group,
    after,
    onFailure,
    sentMs,
    history: history === undefined ? undefined : readHistory(history),
    trace: isTraceContext(trace) ? trace : undefined,
  };
}

/** Reads the reference of a decoded message; a bad one is undecodable. */
export function messageReference(
  message: Message,
): ReturnType<typeof parseReference> {
  try {
    return parseReference(message.job);
  } catch (error) {
    throw bad((error as Error).message);
  }
}

function checkTies(unique: Message["unique"], group: unknown): void {
  if (group !== undefined && typeof group !== "string") {
    throw bad('"group" must be text');
  }
  if (unique === undefined) return;
  const { key, until } = Object(unique) as Record<string, unknown>;
  if (typeof key !== "string" || until !== "start" && until !== "end") {
    throw bad('"unique" must be { "key": text, "until": "start" or "end" }');
  }
}

function checkAfter(after: unknown, onFailure: unknown): void {
  const isList = Array.isArray(after) &&
    after.every((name) => typeof name === "string" && name.includes("/"));
  if (!isList) throw bad('"after" must be a list of "<queue>/<id>"');
  if (onFailure !== undefined && onFailure !== "skip") {
    throw bad('"onFailure" must be "skip"');
  }
}

/** What is none is another program's field, and no reason not to run. */
function isTraceContext(value: unknown): boolean {
  return typeof value === "object" && value !== null &&
    Object.values(value).every((text) => typeof text === "string");
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(`it is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad("it is not a JSON object");
  }
  return value as Record<string, unknown>;
}

function bad(reason: string): UndecodableMessageError {
  return new UndecodableMessageError(`Cannot read this message: ${reason}`);
}
