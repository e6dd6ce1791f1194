import type { Counts } from "../broker.ts";
import { waitingCount } from "./reserve.ts";
import { readRule } from "./rules.ts";
import { blockedCount } from "./successors.ts";
import { CRASHED, type Store, SUSPECT } from "./store.ts";

/** Jobs of workers whose last renewal is so many ticks old are held late. */
const LATE_TICKS = 3;

const NONE: Counts = {
  ready: 0,
  suspect: 0,
  crashed: 0,
  held: 0,
  heldByLate: 0,
  retry: 0,
  scheduled: 0,
  failed: 0,
};

/** How many jobs of a queue are in which state. */
export function countJobs(store: Store, name: string): Counts {
  const row = store.db.row(
    "SELECT id, tick, ready, retry, scheduled FROM queue WHERE name = ?",
    name,
  ) as number[] | undefined;
  if (row === undefined) return NONE;
  const [queue, tick, ready, retry, scheduled] = row;
  const { grouped } = readRule(store, queue);
  const [held, heldByLate] = store.db.row(
    `SELECT coalesce(sum(held), 0),
         coalesce(sum(held) FILTER (WHERE ? - worker.tick >= ?), 0)
       FROM held_batch JOIN worker
         ON worker.queue = held_batch.queue
           AND worker.name = held_batch.worker
       WHERE held_batch.queue = ?`,
    tick,
    LATE_TICKS,
    queue,
  ) as number[];
  return {
    ready: ready + grouped,
    suspect: waitingCount(store, queue, SUSPECT),
    crashed: waitingCount(store, queue, CRASHED),
    held,
    heldByLate,
    retry,
    scheduled: scheduled + blockedCount(store, queue),
    failed: store.db.value(
      "SELECT count(*) FROM failed WHERE queue = ?",
      queue,
    ) as number,
  };
}
