import type { QueueLimits } from "../control.ts";
import type { Store } from "./store.ts";

/** How a queue is served. */
export interface Rule {
  readonly paused: boolean;
  readonly limits: QueueLimits;
  /** Whether there are limits. */
  readonly limited: boolean;
  /** How many jobs were ever cancelled. */
  readonly cancels: number;
  /** Jobs that wait in groups. */
  readonly grouped: number;
}

/** Of a queue for which nothing was ever set. */
export const NO_RULE: Rule = {
  paused: false,
  limits: {},
  limited: false,
  cancels: 0,
  grouped: 0,
};

/** The rule of a queue. */
export function readRule({ db }: Store, queue: number): Rule {
  const row = db.row(
    "SELECT paused, limits, cancels, grouped FROM rule WHERE queue = ?",
    queue,
  ) as [number, string | null, number, number] | undefined;
  if (row === undefined) return NO_RULE;
  const [paused, limits, cancels, grouped] = row;
  return {
    paused: paused === 1,
    limits: limits === null ? {} : JSON.parse(limits),
    limited: limits !== null,
    cancels,
    grouped,
  };
}

/** Adds to the counters of a rule; answers with `cancels` and `turns`. */
export function countRule(
  { db }: Store,
  queue: number,
  { cancels = 0, turns = 0, grouped = 0 }: {
    readonly cancels?: number;
    readonly turns?: number;
    readonly grouped?: number;
  },
): [cancels: number, turns: number] {
  return db.row(
    `INSERT INTO rule (queue, cancels, turns, grouped) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET cancels = cancels + excluded.cancels,
         turns = turns + excluded.turns, grouped = grouped + excluded.grouped
       RETURNING cancels, turns`,
    queue,
    cancels,
    turns,
    grouped,
  ) as [number, number];
}
