import type { Cancellation, Cancelled } from "../broker.ts";
import { readOutcomes, storeOutcomes } from "./results.ts";
import { countRule, readRule } from "./rules.ts";
import { dropBlocked, haveEnded } from "./successors.ts";
import type { Store } from "./store.ts";

/** A cancelled job that nobody meets is looked for so long after its time. */
const KEPT_MS = 30 * 86_400_000;

/** See `JobStore.cancel`; in the open transaction. */
export function cancel(
  store: Store,
  name: string,
  jobs: readonly Cancellation[],
): boolean[] {
  const queue = store.queue(name);
  const ended = readOutcomes(store, name, jobs.map(({ id }) => id));
  return jobs.map(({ id, dueMs, outcome, gone }, index) => {
    if (ended[index] !== null) return false;
    // One that waits for others is met by nobody.
    if (!dropBlocked(store, queue, id) && !gone) {
      const [number] = countRule(store, queue, { cancels: 1 });
      store.db.run(
        `INSERT OR REPLACE INTO cancelled (queue, id, number, until)
           VALUES (?, ?, ?, ?)`,
        queue,
        id,
        number,
        Math.max(store.now(), dueMs) + KEPT_MS,
      );
    }
    if (outcome !== undefined) {
      storeOutcomes(store, queue, [{ id, outcome }]);
      haveEnded(store, queue, [id]);
    }
    return true;
  });
}

/** See `Broker.cancelled`; in the open transaction. */
export function readCancelled(
  store: Store,
  name: string,
  after: number,
): Cancelled {
  const queue = store.find(name);
  if (queue === undefined) return { cancels: 0, ids: [] };
  const ids = store.db.rows(
    "SELECT id FROM cancelled WHERE queue = ? AND number > ? ORDER BY number",
    queue,
    after,
  ).map(([id]) => id as string);
  return { cancels: readRule(store, queue).cancels, ids };
}

/** Forgets that a job was cancelled: it has been dropped. */
export function forgetCancelled(store: Store, queue: number, id: string): void {
  store.db.run("DELETE FROM cancelled WHERE queue = ? AND id = ?", queue, id);
}
