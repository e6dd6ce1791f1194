/**
 * Who has a unique key until it starts or ends; in the open transaction.
 *
 * @module
 */
import type { Store } from "./store.ts";

/**
 * The job that has a unique key. Not one that is cancelled: it is met, and lets
 * its key go, perhaps much later.
 */
export function uniqueJob(
  { db }: Store,
  queue: number,
  key: string,
): string | undefined {
  return db.value(
    `SELECT job FROM uniq WHERE queue = ?1 AND key = ?2 AND NOT EXISTS
       (SELECT 1 FROM cancelled WHERE queue = ?1 AND id = job)`,
    queue,
    key,
  ) as string | undefined;
}

/** Gives a unique key to a job. */
export function giveUniqueKey(
  { db }: Store,
  queue: number,
  key: string,
  job: string,
): void {
  db.run(
    "INSERT OR REPLACE INTO uniq (queue, key, job) VALUES (?, ?, ?)",
    queue,
    key,
    job,
  );
}

/** Lets go of a unique key, if this job has it. */
export function unlock(
  store: Store,
  queue: number,
  key: string,
  id: string,
): void {
  store.db.run(
    "DELETE FROM uniq WHERE queue = ? AND key = ? AND job = ?",
    queue,
    key,
    id,
  );
}
