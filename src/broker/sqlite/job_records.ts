/**
 * Jobs as rows, for somebody who looks at them or takes them out.
 *
 * @module
 */
import type { JobRecord, JobState } from "../inspector.ts";
import type { Ties } from "../../job/ties.ts";
import { unlock } from "./unique.ts";
import { textOf, type Value } from "./database.ts";
import { Groups, parseGrouped } from "./groups.ts";
import { readRule } from "./rules.ts";
import {
  CRASHED,
  LONE,
  READY,
  RETRY,
  SCHEDULED,
  type Store,
  SUSPECT,
} from "./store.ts";

/** Rows that are read at once. */
const PAGE_ROWS = 100;

/** Rows of one state: of which table, and of which part of it. */
export interface Source {
  readonly table: "waiting" | "due" | "held" | "failed" | "grouped";
  /** `waiting.state` or `due.kind`; -1 for `grouped`. */
  readonly part: number;
}

/** Where a page begins: behind this row. */
export type Place = readonly [at: number, seq: number];

/** Before all rows. */
export const START: Place = [-Infinity, -Infinity];

/** Parameters: queue, part, at, seq, most rows. Of held jobs `at` is the batch. */
const PAGE: Record<Source["table"], string> = {
  waiting: `SELECT 0, seq, message, NULL FROM waiting
    WHERE queue = ?1 AND state = ?2 AND seq > ?4 ORDER BY seq LIMIT ?5`,
  due: `SELECT at, seq, message, NULL FROM due
    WHERE queue = ?1 AND kind = ?2 AND (at, seq) > (?3, ?4)
    ORDER BY at, seq LIMIT ?5`,
  held: `SELECT batch, seq, message, worker FROM held_job
    JOIN held_batch USING (queue)
    WHERE queue = ?1 AND batch = id AND (batch, seq) > (?3, ?4)
    ORDER BY batch, seq LIMIT ?5`,
  grouped: `SELECT 0, seq, message, NULL FROM grouped
    WHERE queue = ?1 AND seq > ?4 ORDER BY seq LIMIT ?5`,
  failed: `SELECT at, seq, entry, NULL FROM failed
    WHERE queue = ?1 AND (at, seq) > (?3, ?4) ORDER BY at, seq LIMIT ?5`,
};

const SOURCES: Record<Exclude<JobState, "blocked">, readonly Source[]> = {
  ready: [{ table: "waiting", part: READY }, { table: "grouped", part: -1 }],
  suspect: [{ table: "waiting", part: SUSPECT }],
  crashed: [{ table: "waiting", part: CRASHED }],
  held: [{ table: "held", part: 0 }],
  scheduled: [{ table: "due", part: SCHEDULED }],
  retry: [{ table: "due", part: RETRY }, { table: "due", part: LONE }],
  failed: [{ table: "failed", part: 0 }],
};

/** Where the jobs of a state are. */
export function sourcesOf(
  state: Exclude<JobState, "blocked">,
): readonly Source[] {
  return SOURCES[state];
}

/** Some jobs, and behind which row the next ones are: nothing, if none are. */
export interface JobPage {
  readonly records: JobRecord[];
  readonly next?: Place;
}

/** Reads the jobs behind a row. */
export function readJobs(
  store: Store,
  name: string,
  state: JobState,
  { table, part }: Source,
  [at, seq]: Place,
  most = PAGE_ROWS,
): JobPage {
  const queue = store.find(name);
  if (queue === undefined) return { records: [] };
  const rows = store.db.rows(PAGE[table], queue, part, at, seq, most);
  const records = rows.map(([at, seq, text, worker]): JobRecord => ({
    queue: name,
    state,
    key: `${part}:${at}:${seq}`,
    text: messageOf(textOf(text)),
    atMs: table === "due" || table === "failed" ? at as number : undefined,
    worker: worker === null ? undefined : worker as string,
  }));
  if (rows.length < most) return { records };
  const [lastAt, lastSeq] = rows[rows.length - 1] as number[];
  return { records, next: [lastAt, lastSeq] };
}

/** The message of a job, also of one of a group that waits for its time. */
function messageOf(text: string): string {
  return parseGrouped(text)?.message ?? text;
}

/** Jobs of a queue that wait for others, behind an id. */
export function readBlocked(
  store: Store,
  name: string,
  after: string,
): JobRecord[] {
  const queue = store.find(name);
  if (queue === undefined) return [];
  return store.db.rows(
    `SELECT id, message FROM blocked WHERE queue = ? AND id > ?
       ORDER BY id LIMIT ?`,
    queue,
    after,
    PAGE_ROWS,
  ).map(([id, message]) => ({
    queue: name,
    state: "blocked",
    key: id as string,
    text: textOf(message),
  }));
}

/** Lets go what a job has that was removed; in the open transaction. */
export function letGo(
  store: Store,
  name: string,
  { id, unique }: Ties,
): void {
  const queue = store.queue(name);
  new Groups(store, queue, readRule(store, queue).limits).ended(id);
  if (unique !== undefined) unlock(store, queue, unique, id);
}

/** Takes a job out that is not held; in the open transaction. */
export function removeJob(store: Store, record: JobRecord): boolean {
  const found = rowOf(store, record);
  if (found === undefined) return false;
  const { queue, table, part, at, seq } = found;
  if (table === "grouped") {
    const { limits } = readRule(store, queue);
    return new Groups(store, queue, limits).remove(seq as number);
  }
  if (store.db.run(REMOVE[table], queue, part, at, seq) === 0) return false;
  if (table === "due") {
    store.count(queue, part === SCHEDULED ? { scheduled: -1 } : { retry: -1 });
  } else if (table === "waiting" && part === READY) {
    store.count(queue, { ready: -1 });
  }
  return true;
}

/** Makes a job due that waits for its time; in the open transaction. */
export function hastenJob(store: Store, record: JobRecord): boolean {
  const found = rowOf(store, record);
  if (found?.table !== "due") return false;
  const { queue, part, at, seq } = found;
  return store.db.run(
    `UPDATE due SET at = 0
       WHERE queue = ?1 AND kind = ?2 AND at = ?3 AND seq = ?4`,
    queue,
    part,
    at,
    seq,
  ) === 1;
}

/** Parameters: queue, part, at, seq. */
const REMOVE: Record<"waiting" | "due" | "failed", string> = {
  waiting: "DELETE FROM waiting WHERE queue = ?1 AND state = ?2 AND seq = ?4",
  due: `DELETE FROM due
    WHERE queue = ?1 AND kind = ?2 AND at = ?3 AND seq = ?4`,
  failed: "DELETE FROM failed WHERE queue = ?1 AND seq = ?4",
};

interface Row {
  readonly queue: number;
  readonly table: Exclude<Source["table"], "held">;
  readonly part: number;
  readonly at: Value;
  readonly seq: Value;
}

/** Which row a record names; a held job has none that may be changed. */
function rowOf(
  store: Store,
  { queue: name, state, key }: JobRecord,
): Row | undefined {
  const queue = store.find(name);
  if (queue === undefined || state === "blocked") return undefined;
  const [part, at, seq] = key.split(":").map(Number);
  const table = part === -1 ? "grouped" : SOURCES[state][0].table;
  return table === "held" ? undefined : { queue, table, part, at, seq };
}
