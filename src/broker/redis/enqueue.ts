/**
 * Storing jobs: few commands, sent together, each of them once.
 *
 * @module
 */
import { BrokerError, EnqueueUncertainError } from "../../errors.ts";
import {
  BrokerUnavailableError,
  type Entry,
  MAX_BATCH_BYTES,
  MAX_BATCH_JOBS,
} from "../broker.ts";
import type { Connection } from "./connection.ts";
import { NotSentError, ReplyError } from "./errors.ts";
import type { QueueKeys } from "./keys.ts";
import { explain, type ScriptRunner } from "./scripts.ts";
import type { Successors } from "./successors.ts";

/** How long an idempotency key is kept. */
const ONCE_SECONDS = 86_400;
/** How long a job that was replaced is looked for. */
const CANCELLED_SECONDS = 30 * 86_400;

/** What storing needs of the broker around it. */
export interface EnqueueParts {
  readonly connection: Connection;
  readonly runner: ScriptRunner;
  readonly keysOf: (queue: string) => QueueKeys;
  /** Before the first job of a queue. */
  readonly introduce: (keys: QueueKeys) => Promise<void>;
  readonly successors: Successors;
  /** A job was replaced: whoever waits for it is to hear of it. */
  readonly replaced: (
    keys: QueueKeys,
    id: string,
    dueMs: number,
  ) => Promise<void>;
}

/** One command, and the entries that it stores. */
interface Command {
  readonly keys: QueueKeys;
  readonly kind: "push" | "schedule" | "tied" | "blocked";
  readonly args: string[];
  /** The one that is tied to something. */
  readonly entry?: Entry;
  readonly places: number[];
  size: number;
}

/** See `JobStore.enqueue`. */
export async function enqueue(
  parts: EnqueueParts,
  entries: readonly Entry[],
): Promise<string[]> {
  const ids = entries.map((entry) => entry.id);
  const commands = plan(parts, entries);
  try {
    await Promise.all(
      [...new Set(commands.map(({ keys }) => keys))].map(parts.introduce),
    );
  } catch (error) {
    throw refused(error);
  }
  // All in one turn of the event loop, so that they leave together.
  const sent = commands.map((command) => send(parts, command));
  const replies = await Promise.allSettled(sent);
  const confirmed: string[] = [];
  const uncertain: string[] = [];
  let failure: unknown;
  for (const [i, { places, kind }] of commands.entries()) {
    const reply = replies[i];
    if (reply.status === "fulfilled") {
      if (kind === "tied") ids[places[0]] = reply.value as string;
      for (const place of places) confirmed.push(ids[place]);
      continue;
    }
    failure ??= reply.reason;
    if (isCertain(reply.reason)) continue;
    failure = reply.reason;
    for (const place of places) uncertain.push(ids[place]);
  }
  if (failure === undefined) return ids;
  if (confirmed.length + uncertain.length === 0) throw refused(failure);
  throw new EnqueueUncertainError(
    `Of ${ids.length} jobs ${confirmed.length} are stored, and ` +
      `${uncertain.length} may be: ${(failure as Error).message}`,
    { confirmed, uncertain },
    { cause: failure },
  );
}

function plan(parts: EnqueueParts, entries: readonly Entry[]): Command[] {
  const commands: Command[] = [];
  const open = new Map<string, Command>();
  for (const [place, entry] of entries.entries()) {
    const { queue, message, delayMs, atMs } = entry;
    const fromNow = atMs === undefined;
    const when = atMs ?? (delayMs !== undefined && delayMs > 0 ? delayMs : "");
    if (entry.after !== undefined) {
      const keys = parts.keysOf(queue);
      const places = [place];
      commands.push({
        keys,
        kind: "blocked",
        args: [],
        entry,
        places,
        size: 0,
      });
      continue;
    }
    if (
      entry.idempotencyKey !== undefined || entry.unique !== undefined ||
      entry.group !== undefined
    ) {
      // What follows in this queue must not be pushed in front of it.
      open.delete("push" + queue);
      commands.push({
        keys: parts.keysOf(queue),
        kind: "tied",
        args: [String(when), fromNow ? "1" : "0", message],
        entry,
        places: [place],
        size: 0,
      });
      continue;
    }
    const kind = when === "" ? "push" : "schedule";
    const group = kind + queue;
    let command = open.get(group);
    if (
      command === undefined || command.places.length >= MAX_BATCH_JOBS ||
      command.size + message.length > MAX_BATCH_BYTES
    ) {
      const keys = parts.keysOf(queue);
      command = {
        keys,
        kind,
        args: kind === "push" ? ["RPUSH", keys.ready] : [],
        places: [],
        size: 0,
      };
      commands.push(command);
      open.set(group, command);
    }
    if (kind === "push") command.args.push(message);
    else command.args.push(String(when), fromNow ? "1" : "0", message);
    command.places.push(place);
    command.size += message.length;
  }
  return commands;
}

async function send(
  parts: EnqueueParts,
  { kind, keys, args, entry }: Command,
): Promise<unknown> {
  const { connection, runner } = parts;
  if (kind === "schedule") {
    return await runner.run("schedule", [keys.scheduled], args);
  }
  if (kind === "blocked") return await parts.successors.store(entry!);
  if (entry !== undefined) return await sendTied(parts, keys, entry, args);
  try {
    return await connection.call(keys.ready, args);
  } catch (error) {
    throw await explain(connection, error, "store jobs", [keys.ready]);
  }
}

async function sendTied(
  { runner, replaced }: EnqueueParts,
  keys: QueueKeys,
  entry: Entry,
  args: readonly string[],
): Promise<string> {
  const { id, idempotencyKey = "", unique, group = "" } = entry;
  const [stored, other] = await runner.run("enqueue_tied", [
    keys.meta,
    keys.ready,
    keys.scheduled,
    keys.once(idempotencyKey),
    keys.onceUnique(unique?.key ?? ""),
    keys.unique,
    keys.groups,
    keys.ring,
    keys.groupDue,
    keys.cancelled,
    keys.cancelledUntil,
  ], [
    id,
    idempotencyKey === "" ? "" : String(ONCE_SECONDS),
    unique?.key ?? "",
    String(unique?.seconds ?? ""),
    unique?.replace ? "1" : "0",
    String(CANCELLED_SECONDS),
    group,
    ...args,
  ]) as [string, string];
  if (other !== "") {
    const { delayMs = 0, atMs = Date.now() + delayMs } = entry;
    await replaced(keys, other, atMs);
  }
  return stored;
}

/** Whether nothing is stored: it was not sent, or the answer is an error. */
function isCertain(error: unknown): boolean {
  return !(error instanceof BrokerUnavailableError) ||
    error instanceof NotSentError || error.cause instanceof ReplyError;
}

function refused(error: unknown): Error {
  if (error instanceof BrokerError) return error;
  return new BrokerError(
    `No job was stored: ${(error as Error).message}`,
    { cause: error },
  );
}
