import {
  LEASE_TICKS,
  MAX_BATCH_BYTES,
  type Reaped,
  TICK_MS,
} from "../broker.ts";
import { encodeOutcome } from "../../job/outcome.ts";
import { cancel } from "./cancelling.ts";
import { textOf } from "./database.ts";
import { Groups, parseGrouped } from "./groups.ts";
import { waitingCount } from "./reserve.ts";
import { expireOutcomes } from "./results.ts";
import { readRule } from "./rules.ts";
import { areSchedulesDue } from "./schedules.ts";
import {
  CRASHED,
  LONE,
  READY,
  RETRY,
  SCHEDULED,
  type Store,
  SUSPECT,
} from "./store.ts";
import { forgottenBlocked } from "./successors.ts";
import { expireUpdates } from "./updates.ts";

/** Jobs that one step moves from each set. */
const MOVE_JOBS = 500;
/** Names of lapsed workers in one answer. */
const NAME_LAPSED = 100;
/** So many ticks the commands of a dead worker are refused. */
const DEAD_TICKS = 60;
/** Rows that one step removes because of their age. */
const EXPIRE_ROWS = 1000;

/** The answer, if this step has nothing to write. */
export function reapNothing(store: Store, name: string): Reaped | undefined {
  const row = store.db.row(
    "SELECT id, tick, ticked_at FROM queue WHERE name = ?",
    name,
  ) as [number, number, number | null] | undefined;
  if (row === undefined) return undefined;
  const [queue, tick, tickedAt] = row;
  const now = store.now();
  if (isTick(now, tickedAt)) return undefined;
  for (const kind of [SCHEDULED, RETRY, LONE]) {
    if (isDue(store, queue, kind, now)) return undefined;
  }
  const looks = store.db.value(
    "SELECT 1 FROM grp WHERE queue = ? AND due <= ? LIMIT 1",
    queue,
    now,
  );
  if (looks !== undefined) return undefined;
  return answer(store, queue, tick, now, false, false);
}

/** See `Broker.reap`; in the open transaction. */
export function reap(store: Store, name: string): Reaped {
  const queue = store.queue(name);
  const now = store.now();
  const [tick, tickedAt] = store.db.row(
    "SELECT tick, ticked_at FROM queue WHERE id = ?",
    queue,
  ) as [number, number | null];
  const advanced = isTick(now, tickedAt);
  if (advanced) {
    advance(store, queue, tick + 1, now);
    const outcome = encodeOutcome({ kind: "cancelled" });
    const forgotten = forgottenBlocked(store, queue)
      .map((id) => ({ id, dueMs: 0, outcome }));
    if (forgotten.length > 0) cancel(store, name, forgotten);
  }
  let more = false;
  for (const kind of [SCHEDULED, RETRY, LONE]) {
    if (moveDue(store, queue, kind, now)) more = true;
  }
  const groups = new Groups(store, queue, readRule(store, queue).limits);
  if (groups.look(MOVE_JOBS)) more = true;
  return answer(store, queue, advanced ? tick + 1 : tick, now, advanced, more);
}

/** A clock that went back counts as a tick too, else all would stand still. */
function isTick(now: number, tickedAt: number | null): boolean {
  return tickedAt === null || now - tickedAt >= TICK_MS || now < tickedAt;
}

function answer(
  store: Store,
  queue: number,
  tick: number,
  now: number,
  advanced: boolean,
  more: boolean,
): Reaped {
  const lapsed = store.db.rows(
    `SELECT name FROM worker WHERE queue = ? AND tick BETWEEN 0 AND ?
       ORDER BY tick LIMIT ?`,
    queue,
    tick - LEASE_TICKS,
    NAME_LAPSED,
  ).map(([name]) => name as string);
  // Nobody must become idle for those that may not be taken.
  const suspects = readRule(store, queue).paused
    ? 0
    : waitingCount(store, queue, SUSPECT) + waitingCount(store, queue, CRASHED);
  const schedulesDue = areSchedulesDue(store, queue, now);
  return { advanced, more, lapsed, suspects, schedulesDue };
}

function advance(store: Store, queue: number, tick: number, now: number): void {
  const { db } = store;
  db.run(
    "UPDATE queue SET tick = ?, ticked_at = ? WHERE id = ?",
    tick,
    now,
    queue,
  );
  db.run(
    "DELETE FROM worker WHERE queue = ? AND tick BETWEEN ? AND -1",
    queue,
    DEAD_TICKS - 1 - tick,
  );
  db.run(
    "DELETE FROM failed WHERE queue = ? AND at <= ?",
    queue,
    now - store.limits.failedAgeMs,
  );
  expireOutcomes(store, queue);
  expireUpdates(store, queue);
  db.run(
    `DELETE FROM once WHERE (queue, key) IN
       (SELECT queue, key FROM once WHERE until <= ? LIMIT ?)`,
    now,
    EXPIRE_ROWS,
  );
  db.run("DELETE FROM cancelled WHERE queue = ? AND until <= ?", queue, now);
  db.run("DELETE FROM rate WHERE queue = ? AND until <= ?", queue, now);
  db.run("DELETE FROM health WHERE until <= ?", now);
}

function isDue(
  store: Store,
  queue: number,
  kind: number,
  now: number,
): boolean {
  return store.db.value(
    "SELECT 1 FROM due WHERE queue = ? AND kind = ? AND at <= ? LIMIT 1",
    queue,
    kind,
    now,
  ) !== undefined;
}

/** Moves jobs that are due; `true` if there are more. */
function moveDue(
  store: Store,
  queue: number,
  kind: number,
  now: number,
): boolean {
  const rows = store.db.rows(
    `SELECT at, seq, octet_length(message), substr(message, 1, 1) = char(1)
       FROM due WHERE queue = ? AND kind = ? AND at <= ? ORDER BY at, seq LIMIT ?`,
    queue,
    kind,
    now,
    MOVE_JOBS + 1,
  ) as [number, number, number, number][];
  let jobs = 0;
  for (let bytes = 0; jobs < Math.min(rows.length, MOVE_JOBS); jobs++) {
    if (bytes >= MAX_BATCH_BYTES) break;
    bytes += rows[jobs][2];
  }
  if (jobs === 0) return false;
  const [at, seq] = rows[jobs - 1];
  const grouped = kind === LONE
    ? []
    : rows.slice(0, jobs).filter(([at, seq, , marked]) =>
      marked === 1 && toGroup(store, queue, kind, at, seq)
    );
  const state = kind === LONE ? SUSPECT : READY;
  store.db.run(
    `INSERT INTO waiting (queue, state, seq, message)
       SELECT queue, ?, ? + row_number() OVER (ORDER BY at, seq) - 1, message
         FROM due WHERE queue = ? AND kind = ? AND (at, seq) <= (?, ?)`,
    state,
    store.numbers(queue, jobs),
    queue,
    kind,
    at,
    seq,
  );
  store.db.run(
    "DELETE FROM due WHERE queue = ? AND kind = ? AND (at, seq) <= (?, ?)",
    queue,
    kind,
    at,
    seq,
  );
  store.count(queue, {
    ready: state === READY ? jobs - grouped.length : 0,
    ...(kind === SCHEDULED ? { scheduled: -jobs } : { retry: -jobs }),
  });
  store.announce();
  return rows.length > jobs;
}

/** Moves one due job to its group; `false`: it is of none. */
function toGroup(
  store: Store,
  queue: number,
  kind: number,
  at: number,
  seq: number,
): boolean {
  const where = "WHERE queue = ? AND kind = ? AND at = ? AND seq = ?";
  const text = store.db.value(
    `SELECT message FROM due ${where}`,
    queue,
    kind,
    at,
    seq,
  );
  const job = parseGrouped(textOf(text!));
  if (job === undefined) return false;
  new Groups(store, queue, readRule(store, queue).limits).add(job);
  store.db.run(`DELETE FROM due ${where}`, queue, kind, at, seq);
  return true;
}
