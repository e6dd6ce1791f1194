/**
 * Settlements as the flat lists that `settle.lua` reads: little work per job
 * on both sides.
 *
 * @module
 */
import {
  MAX_BATCH_BYTES,
  MAX_BATCH_JOBS,
  type OutcomeRecord,
  type Settlement,
} from "../broker.ts";
import { bucketNumber, type QueueKeys, splitId } from "./keys.ts";
import type { Limits } from "../limits.ts";
import type { ScriptRunner } from "./scripts.ts";

/** So few outcomes of a call, if each is short, are told and need no reading. */
const TOLD_JOBS = 16;
const TOLD_LENGTH = 256;

/** One call of `settle.lua`. */
export interface SettleCall {
  readonly keys: string[];
  readonly args: string[];
}

interface Bucket {
  readonly producer: string;
  readonly number: number;
  /** Fields of all buckets of its producer. */
  readonly numbers: string[];
  readonly tokens: string[];
  /** Field, outcome, field, outcome, ... */
  readonly fields: string[];
}

/** The calls that settle jobs of `worker`, each within the limits of a batch. */
export function settleCalls(
  keys: QueueKeys,
  worker: string,
  settlements: readonly Settlement[],
  limits: Limits,
): SettleCall[] {
  return parts(settlements, settlementLength).map((part) => {
    const plain: string[] = [];
    const moved: string[] = [];
    const outcomes = new Outcomes(keys, part.length);
    for (const item of part) {
      if (
        item.kind !== "retry" && item.outcome !== undefined &&
        item.id !== undefined
      ) outcomes.add(item.id, item.outcome, item.token);
      else if (item.kind === "done") plain.push(item.token);
      else moved.push(item.token);
    }
    const tokens = plain.concat(...outcomes.tokens(), moved);
    const args = header(limits, worker, outcomes.size, plain.length, tokens);
    outcomes.append(args);
    const tied = appendMoves(args, tokens, part);
    outcomes.appendEvents(args);
    return { keys: settleKeys(keys, worker, outcomes, tied), args };
  });
}

/** The calls that store outcomes of fast mode. */
export function recordCalls(
  keys: QueueKeys,
  records: readonly OutcomeRecord[],
  limits: Limits,
): SettleCall[] {
  return parts(records, (record) => record.outcome.length).map((part) => {
    const outcomes = new Outcomes(keys, part.length);
    for (const { id, outcome } of part) outcomes.add(id, outcome);
    const args = header(limits, "", outcomes.size, 0, []);
    outcomes.append(args);
    args.push("0", "0", "0");
    outcomes.appendEvents(args);
    return { keys: settleKeys(keys, "", outcomes, false), args };
  });
}

/** What all calls together did. */
export interface Settled {
  /** Jobs that were held. */
  readonly removed: number;
  /** Of these, jobs for whose end others wait. */
  readonly ended: number;
  /** Results that are stored now, and their bytes. */
  readonly results: number;
  readonly bytes: number;
}

/** Makes the calls. */
export async function settleAll(
  runner: ScriptRunner,
  calls: readonly SettleCall[],
): Promise<Settled> {
  const replies = await Promise.all(
    calls.map(({ keys, args }) => runner.run("settle", keys, args)),
  ) as [number, number, number, number][];
  const [, results, bytes] = replies.at(-1) ?? [0, 0, 0];
  let removed = 0;
  let ended = 0;
  for (const [held, , , awaited] of replies) {
    removed += held;
    ended += awaited;
  }
  return { removed, ended, results, bytes };
}

function header(
  limits: Limits,
  worker: string,
  buckets: number,
  plain: number,
  tokens: readonly string[],
): string[] {
  return [
    worker,
    String(limits.failed),
    String(limits.failedAgeMs),
    String(buckets),
    String(plain),
    String(tokens.length),
  ].concat(tokens);
}

/**
 * What goes to another list, and what is let go: it names its token by its
 * place. Answers whether anything is let go.
 */
function appendMoves(
  args: string[],
  tokens: readonly string[],
  part: readonly Settlement[],
): boolean {
  const retries: string[] = [];
  const failures: string[] = [];
  const ties: string[] = [];
  let places: Map<string, number> | undefined;
  for (const item of part) {
    if (item.kind === "done" && item.ties === undefined) continue;
    places ??= new Map(tokens.map((token, i) => [token, i + 1]));
    const place = String(places.get(item.token));
    // One that comes back as a suspect keeps its place in its group.
    const stays = item.kind === "retry" && item.alone === true;
    if (item.ties !== undefined && !stays) {
      const { id, unique = "" } = item.ties;
      ties.push(place, id, unique, item.kind === "retry" ? "0" : "1");
    }
    if (item.kind === "failed") failures.push(place, item.entry);
    else if (item.kind === "retry") {
      const delayMs = String(Math.max(0, Math.round(item.delayMs)));
      const { alone, giveUp, ties } = item;
      const message = alone || ties?.group === undefined
        ? item.message
        : groupedMessage(ties.group, ties.id, item.message);
      const afterMs = String(giveUp?.afterMs ?? 0);
      const entry = giveUp?.entry ?? "";
      retries.push(place, alone ? "5" : "4", delayMs, message, afterMs, entry);
    }
  }
  args.push(String(retries.length / 6));
  append(args, retries);
  args.push(String(failures.length / 2));
  append(args, failures);
  args.push(String(ties.length / 4));
  append(args, ties);
  return ties.length > 0;
}

/** How a job of a group waits for its time: when that has come, see `reap.lua`. */
function groupedMessage(group: string, id: string, message: string): string {
  return `\x01${group}\n${id}\n${message}`;
}

function settleKeys(
  keys: QueueKeys,
  worker: string,
  outcomes: Outcomes,
  tied: boolean,
): string[] {
  const own = [
    keys.meta,
    keys.workers,
    keys.held(worker),
    keys.retry,
    keys.lone,
    keys.failed,
    keys.buckets,
    keys.putBack,
    keys.awaited,
    keys.arrivals,
    ...outcomes.keys(),
  ];
  if (!tied) return own;
  return [
    ...own,
    keys.ready,
    keys.groups,
    keys.ring,
    keys.groupDue,
    keys.unique,
    keys.cancelled,
    keys.cancelledUntil,
  ];
}

/** Outcomes by bucket, and what their producers hear. */
class Outcomes {
  readonly #keys: QueueKeys;
  readonly #buckets = new Map<string, Bucket>();
  /** Producer to the numbers of its jobs. */
  readonly #events = new Map<string, string[]>();
  /** The bucket of the last id; mostly that of the next one. */
  #last: Bucket | undefined;
  /** Producer to its outcomes, if they are few and short. */
  #told: Map<string, string[]> | undefined;

  constructor(keys: QueueKeys, jobs: number) {
    this.#keys = keys;
    if (jobs <= TOLD_JOBS) this.#told = new Map();
  }

  add(id: string, outcome: string, token?: string): void {
    const field = id.slice(id.lastIndexOf(".") + 1);
    let bucket = this.#last;
    if (
      bucket === undefined || bucketNumber(field) !== bucket.number ||
      bucket.producer.length + 1 + field.length !== id.length ||
      !id.startsWith(bucket.producer)
    ) bucket = this.#last = this.#bucketOf(id);
    if (token !== undefined) bucket.tokens.push(token);
    bucket.fields.push(field, outcome);
    bucket.numbers.push(field);
    if (this.#told !== undefined) this.#tell(bucket.producer, outcome);
  }

  #bucketOf(id: string): Bucket {
    const { producer, field, bucket: name } = splitId(id);
    let bucket = this.#buckets.get(name);
    if (bucket !== undefined) return bucket;
    let numbers = this.#events.get(producer);
    if (numbers === undefined) this.#events.set(producer, numbers = []);
    const number = bucketNumber(field);
    bucket = { producer, number, numbers, tokens: [], fields: [] };
    this.#buckets.set(name, bucket);
    return bucket;
  }

  /** How many buckets. */
  get size(): number {
    return this.#buckets.size;
  }

  tokens(): string[][] {
    return [...this.#buckets.values()].map((bucket) => bucket.tokens);
  }

  keys(): string[] {
    return [...this.#buckets.keys()].map((name) => this.#keys.results(name));
  }

  append(args: string[]): void {
    args.push(String(this.#buckets.size));
    for (const [name, { fields }] of this.#buckets) {
      args.push(name, String(fields.length / 2));
      append(args, fields);
    }
  }

  appendEvents(args: string[]): void {
    args.push(String(this.#events.size));
    for (const [producer, fields] of this.#events) {
      const numbers = fields.join(",");
      const told = this.#told?.get(producer);
      const text = told === undefined
        ? numbers
        : `${numbers}\n${JSON.stringify(told)}`;
      args.push(this.#keys.done(producer), text);
    }
  }

  #tell(producer: string, outcome: string): void {
    if (outcome.length > TOLD_LENGTH) {
      this.#told = undefined;
      return;
    }
    const told = this.#told!.get(producer);
    if (told === undefined) this.#told!.set(producer, [outcome]);
    else told.push(outcome);
  }
}

function append(args: string[], more: readonly string[]): void {
  for (const value of more) args.push(value);
}

/** Text that is sent for one settlement. */
function settlementLength(item: Settlement): number {
  switch (item.kind) {
    case "done":
      return item.outcome?.length ?? 0;
    case "retry":
      return item.message.length;
    case "failed":
      return item.entry.length + (item.outcome?.length ?? 0);
  }
}

/** Cuts a list into parts of at most so many jobs and so much text. */
function parts<T>(
  items: readonly T[],
  length: (item: T) => number,
): (readonly T[])[] {
  const cut: (readonly T[])[] = [];
  let from = 0;
  let size = 0;
  for (let i = 0; i < items.length; i++) {
    const more = length(items[i]);
    if (
      i > from && (i - from >= MAX_BATCH_JOBS || size + more > MAX_BATCH_BYTES)
    ) {
      cut.push(items.slice(from, i));
      from = i;
      size = 0;
    }
    size += more;
  }
  if (from < items.length) cut.push(items.slice(from));
  return cut;
}
