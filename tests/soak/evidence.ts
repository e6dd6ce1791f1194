/**
 * What is known at the end of a soak, and what must be true of it.
 *
 * @module
 */
import { kindOf } from "./jobs.ts";

/** A job began, or came to its end, in a worker. */
export interface Line {
  readonly what: "start" | "end";
  readonly id: string;
  readonly attempt: number;
  /** The worker's process. */
  readonly pid: number;
  readonly kind: string;
}

/** An entry of the failed set. */
export interface Failed {
  readonly id: string;
  readonly kind: string;
  readonly attempts: number;
  /** Name and message of its error. */
  readonly error: string;
}

/** What was seen. */
export interface Evidence {
  /** Job ids that the broker confirmed, and their kinds. */
  readonly confirmed: ReadonlyMap<string, string>;
  /** What a client heard of its jobs: a result, or why there is none. */
  readonly heard: readonly { id: string; kind: string; text: string }[];
  /** What jobs wrote, in their order. */
  readonly lines: readonly Line[];
  readonly failed: readonly Failed[];
  /** Workers that were killed, or suspended so long that they may have lapsed. */
  readonly violated: ReadonlySet<number>;
  /** Kills of workers: as often a job that ran alone may have been charged. */
  readonly kills: number;
  /** What counts, held keys and the like say that is left. */
  readonly left: readonly string[];
}

/** What a soak came to. */
export interface Account {
  readonly done: number;
  readonly failed: number;
  /** Starts beyond the first of each attempt. */
  readonly repeated: number;
  /** What must not be. */
  readonly violations: readonly string[];
}

/** Adds up what was seen. */
export function accountOf(evidence: Evidence): Account {
  const { confirmed, lines, failed, left } = evidence;
  const violations = left.map((text) => `left at the end: ${text}`);
  const ended = new Set<string>();
  for (const { what, id } of lines) if (what === "end") ended.add(id);
  const failures = new Set(failed.map(({ id }) => id));
  for (const [id, kind] of confirmed) {
    if (kindOf(kind).fails !== undefined) {
      if (!failures.has(id)) {
        violations.push(`${kind} ${id} is not in the failed set`);
      }
    } else if (!ended.has(id)) violations.push(`${kind} ${id} is lost`);
  }
  violations.push(...checkFailed(evidence), ...checkHeard(evidence));
  const { repeated, unexplained } = repeatsOf(evidence);
  violations.push(...unexplained);
  return { done: ended.size, failed: failed.length, repeated, violations };
}

/** Only what must fail has failed, once, and for the right reason. */
function checkFailed({ failed, kills }: Evidence): string[] {
  const wrong: string[] = [];
  const seen = new Set<string>();
  let charged = 0;
  for (const { id, kind, attempts, error } of failed) {
    const { fails, retries } = kindOf(kind);
    if (seen.has(id)) wrong.push(`${kind} ${id} failed twice`);
    seen.add(id);
    if (fails === undefined) {
      wrong.push(`${kind} ${id} failed: ${error}`);
    } else if (attempts !== retries + 1) {
      wrong.push(`${kind} ${id} failed after ${attempts} attempts`);
    } else if (!fails.test(error)) {
      // It was alone in a worker that was killed from outside.
      if (/worker died/.test(error) && ++charged <= kills) continue;
      wrong.push(`${kind} ${id} failed for a wrong reason: ${error}`);
    }
  }
  return wrong;
}

function checkHeard({ heard }: Evidence): string[] {
  return heard.filter(({ id, kind, text }) =>
    kindOf(kind).fails === undefined ? text !== id : text !== "JobFailedError"
  ).map(({ id, kind, text }) => `a client heard of ${kind} ${id}: ${text}`);
}

/**
 * An attempt that starts again: its first worker must have been killed, or be
 * one that a job took with it.
 */
function repeatsOf(
  { lines, violated }: Evidence,
): { repeated: number; unexplained: string[] } {
  const killedByJob = new Set(
    lines.filter(({ kind }) => kindOf(kind).kills).map(({ pid }) => pid),
  );
  const last = new Map<string, Line>();
  const unexplained: string[] = [];
  let repeated = 0;
  for (const line of lines) {
    if (line.what !== "start") continue;
    const before = last.get(line.id);
    last.set(line.id, line);
    if (before === undefined || line.attempt > before.attempt) continue;
    repeated++;
    if (violated.has(before.pid) || killedByJob.has(before.pid)) continue;
    unexplained.push(
      `${line.kind} ${line.id} ran again, though worker ${before.pid} lived`,
    );
  }
  return { repeated, unexplained };
}
