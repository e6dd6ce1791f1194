import { decodeOutcome } from "./outcome.ts";

/**
 * How a job ended that another one was to wait for.
 *
 * @example
 * ```ts
 * import { type PredecessorOutcome, predecessors } from "@mqk/core";
 * export async function summary(): Promise<number> {
 *   const parts: PredecessorOutcome[] = await predecessors();
 *   return parts.filter(({ status }) => status === "done").length;
 * }
 * ```
 */
export interface PredecessorOutcome {
  /** Id of the job. */
  readonly id: string;
  /**
   * `not_kept`: it has ended, but its outcome is kept no more, or what it
   * returned could not be kept.
   */
  readonly status: "done" | "failed" | "cancelled" | "not_kept";
  /** What it returned. */
  readonly value?: unknown;
  /** Its error, if it failed. */
  readonly error?: {
    readonly name: string;
    readonly message: string;
    readonly stack?: string;
  };
}

/** Reads stored outcomes: see `JobStore.results`. */
type ReadOutcomes = (
  queue: string,
  ids: readonly string[],
) => Promise<(string | null)[]>;

/** How a message names a job for which it waits: `<queue>/<id>`. */
export function printPredecessor(
  { queue, id }: { readonly queue: string; readonly id: string },
): string {
  return `${queue}/${id}`;
}

/** The outcomes of the jobs with these names, in their order. */
export async function readPredecessors(
  names: readonly string[],
  read: ReadOutcomes,
): Promise<PredecessorOutcome[]> {
  const jobs = names.map((name) => {
    const slash = name.indexOf("/");
    return { queue: name.slice(0, slash), id: name.slice(slash + 1) };
  });
  const texts = new Map<string, string | null>();
  const byQueue = Map.groupBy(jobs, ({ queue }) => queue);
  await Promise.all([...byQueue].map(async ([queue, own]) => {
    const ids = own.map(({ id }) => id);
    const found = await read(queue, ids);
    found.forEach((text, i) => texts.set(`${queue}/${ids[i]}`, text));
  }));
  return jobs.map(({ id }, i) => outcomeOf(id, texts.get(names[i]) ?? null));
}

function outcomeOf(id: string, text: string | null): PredecessorOutcome {
  if (text === null) return { id, status: "not_kept" };
  const outcome = decodeOutcome(text);
  switch (outcome.kind) {
    case "done": {
      const { json } = outcome;
      return { id, status: "done", ...(json && { value: JSON.parse(json) }) };
    }
    case "failed":
      return { id, status: "failed", error: outcome.error };
    case "cancelled":
      return { id, status: "cancelled" };
    case "too_large":
    case "not_serializable":
      return { id, status: "not_kept" };
  }
}
