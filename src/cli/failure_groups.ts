import { localTime } from "./local_time.ts";
import { errorOf, type StoredJob } from "./stored_job.ts";
import type { Column } from "./table.ts";

/** Failed jobs of one queue and function with the same error. */
export interface FailureGroup {
  count: number;
  readonly queue: string;
  readonly job: string | undefined;
  /** That of the last one. */
  error: string;
  firstMs: number;
  lastMs: number;
  /** The id of the last one. */
  id: string;
}

/** How groups are shown. */
export const GROUP_COLUMNS: readonly Column<FailureGroup>[] = [
  { title: "failed", right: true, of: ({ count }) => count },
  { title: "queue", of: ({ queue }) => queue },
  { title: "job", of: ({ job }) => job },
  { title: "first", of: ({ firstMs }) => localTime(new Date(firstMs)) },
  { title: "last", of: ({ lastMs }) => localTime(new Date(lastMs)) },
  { title: "last id", of: ({ id }) => id },
  { title: "error", of: ({ error }) => error },
];

/** Gathers failed jobs, so that a thousand with one cause are one line. */
export class FailureGroups {
  readonly #groups = new Map<string, FailureGroup>();

  /** Number of groups. */
  get size(): number {
    return this.#groups.size;
  }

  /** Adds a job of a failed set, which is listed oldest first. */
  add(failed: StoredJob): void {
    const { id, message, record: { queue, atMs = 0 } } = failed;
    const error = errorOf(failed)!.split("\n")[0];
    const job = message?.job;
    const key = JSON.stringify([queue, job, causeOf(error)]);
    const group = this.#groups.get(key);
    if (group === undefined) {
      const count = 1;
      const [firstMs, lastMs] = [atMs, atMs];
      this.#groups.set(key, { count, queue, job, error, firstMs, lastMs, id });
      return;
    }
    group.count++;
    group.error = error;
    group.lastMs = atMs;
    group.id = id;
  }

  /** The largest first. */
  *[Symbol.iterator](): Generator<FailureGroup> {
    yield* [...this.#groups.values()].sort((a, b) => b.count - a.count);
  }
}

/** An error without what differs from job to job: numbers and ids. */
function causeOf(error: string): string {
  return error.slice(0, 300)
    .replace(/\b(?=[0-9a-f-]*[0-9])[0-9a-f]+(-[0-9a-f]+)*\b/gi, "0")
    .replace(/[0-9]+/g, "0");
}
