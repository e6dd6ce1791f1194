import { RateWindow } from "./rate_window.ts";
import type { Rule } from "./rules.ts";
import type { Store } from "./store.ts";

/** When to look again at a queue that is paused. */
export const PAUSED_MS = 1000;
/** When to look again at one that has as many jobs at once as it may. */
const FULL_MS = 250;

/** How many jobs the limits of a queue let go. */
export interface Room {
  readonly jobs: number;
  /** If none: when to ask again. */
  readonly blockedMs: number;
  readonly window?: RateWindow;
}

/** How many jobs, at most `most`, may go now. */
export function roomOf(
  store: Store,
  queue: number,
  rule: Rule,
  most: number,
): Room {
  const { concurrency, rate } = rule.limits;
  let jobs = most;
  let blockedMs = PAUSED_MS;
  if (concurrency !== undefined) {
    const held = store.db.value(
      "SELECT coalesce(sum(held), 0) FROM held_batch WHERE queue = ?",
      queue,
    ) as number;
    jobs = Math.min(jobs, concurrency - held);
    if (jobs <= 0) blockedMs = FULL_MS;
  }
  if (rate === undefined) return { jobs, blockedMs };
  const window = new RateWindow(store, queue, "", rate);
  if (window.room <= 0) {
    const leftMs = window.freesAtMs - store.now();
    blockedMs = Math.min(PAUSED_MS, Math.max(10, leftMs));
  }
  return { jobs: Math.min(jobs, window.room), blockedMs, window };
}
