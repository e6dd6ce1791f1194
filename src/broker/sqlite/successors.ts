import type { Entry } from "../broker.ts";
import { stored, textOf } from "./database.ts";
import { Groups } from "./groups.ts";
import { readOutcomes } from "./results.ts";
import { readRule } from "./rules.ts";
import type { Store } from "./store.ts";

/** A job that waits so long for others is cancelled. */
const GIVE_UP_MS = 30 * 86_400_000;
/** In one step. */
const GIVE_UP_JOBS = 100;

/** Stores a job that waits until others have ended; in the open transaction. */
export function storeBlocked(
  store: Store,
  { id, queue: name, message, group, after = [] }: Entry,
): void {
  const queue = store.queue(name);
  const { db } = store;
  const waiting = after.filter((other) =>
    readOutcomes(store, other.queue, [other.id])[0] === null
  );
  let waits = 0;
  for (const other of waiting) {
    waits += db.run(
      `INSERT OR IGNORE INTO awaited (queue, id, blocked_queue, blocked_id)
         VALUES (?, ?, ?, ?)`,
      store.queue(other.queue),
      other.id,
      queue,
      id,
    );
  }
  if (waits === 0) return makeReady(store, queue, id, group, message);
  db.run(
    `INSERT INTO blocked (queue, id, grp, message, waits, since)
       VALUES (?, ?, ?, ?, ?, ?)`,
    queue,
    id,
    group ?? null,
    stored(message),
    waits,
    store.now(),
  );
}

/** Jobs have ended: those that wait for nothing more are ready. */
export function haveEnded(
  store: Store,
  queue: number,
  ids: readonly string[],
): void {
  const { db } = store;
  if (db.value("SELECT 1 FROM awaited LIMIT 1") === undefined) return;
  for (const ended of ids) {
    const names = db.rows(
      `DELETE FROM awaited WHERE queue = ? AND id = ?
         RETURNING blocked_queue, blocked_id`,
      queue,
      ended,
    ) as [number, string][];
    for (const [blockedQueue, id] of names) {
      const row = db.row(
        `UPDATE blocked SET waits = waits - 1 WHERE queue = ? AND id = ?
           RETURNING waits, grp, message`,
        blockedQueue,
        id,
      );
      if (row === undefined || row[0] as number > 0) continue;
      const [, group, message] = row;
      db.run(
        "DELETE FROM blocked WHERE queue = ? AND id = ?",
        blockedQueue,
        id,
      );
      const name = group === null ? undefined : group as string;
      makeReady(store, blockedQueue, id, name, textOf(message));
    }
  }
}

/** Removes a job that waits for others; `false`: it does not. */
export function dropBlocked(
  { db }: Store,
  queue: number,
  id: string,
): boolean {
  const dropped = db.run(
    "DELETE FROM blocked WHERE queue = ? AND id = ?",
    queue,
    id,
  ) > 0;
  if (dropped) {
    db.run(
      "DELETE FROM awaited WHERE blocked_queue = ? AND blocked_id = ?",
      queue,
      id,
    );
  }
  return dropped;
}

/** Jobs that have waited for so long that those before them never end. */
export function forgottenBlocked(store: Store, queue: number): string[] {
  return store.db.rows(
    "SELECT id FROM blocked WHERE queue = ? AND since <= ? LIMIT ?",
    queue,
    store.now() - GIVE_UP_MS,
    GIVE_UP_JOBS,
  ).map(([id]) => id as string);
}

/** How many jobs of a queue wait for others. */
export function blockedCount({ db }: Store, queue: number): number {
  return db.value(
    "SELECT count(*) FROM blocked WHERE queue = ?",
    queue,
  ) as number;
}

function makeReady(
  store: Store,
  queue: number,
  id: string,
  group: string | undefined,
  message: string,
): void {
  if (group === undefined) return store.push(queue, [message]);
  const { limits } = readRule(store, queue);
  new Groups(store, queue, limits).add({ group, id, message });
}
