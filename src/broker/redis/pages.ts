/**
 * The entries of a list or sorted set, page by page, while it changes.
 *
 * @module
 */
import { LOOK_JOBS } from "../inspector.ts";
import type { ScriptRunner } from "./scripts.ts";

/** What one command reads, so that nobody waits for it. */
const PAGE_JOBS = 1000;
const PAGE_BYTES = 1024 * 1024;

/** An entry of a list, or of a sorted set with its score. */
export interface PageEntry {
  readonly key: string;
  readonly text: string;
  readonly score?: number;
  /** Set when it has left or moved: the next page is not behind it. */
  moved?: boolean;
}

/** Reads them in their order, {@linkcode LOOK_JOBS} at most. */
export async function* readPages(
  runner: ScriptRunner,
  key: string,
  sorted: boolean,
): AsyncGenerator<PageEntry> {
  let place = 0;
  let before: PageEntry | undefined;
  for (let left = LOOK_JOBS; left > 0;) {
    const [first, ...page] = await runner.run("page", [key], [
      String(Math.min(left, PAGE_JOBS)),
      String(PAGE_BYTES),
      String(place),
      before?.text ?? "",
      String(before?.score ?? 0),
    ]) as [number, ...string[]];
    const entries = entriesOf(key, page, sorted);
    if (entries.length === 0) return;
    yield* entries;
    left -= entries.length;
    const stayed = entries.filter(({ moved }) => !moved);
    place = first + stayed.length;
    const last = entries[entries.length - 1];
    if (stayed.length > 0) before = stayed[stayed.length - 1];
    // A sorted set also knows by its score where one was that moved.
    else if (sorted && last.score !== before?.score) before = last;
  }
}

function entriesOf(
  key: string,
  page: readonly string[],
  sorted: boolean,
): PageEntry[] {
  if (!sorted) return page.map((text) => ({ key, text }));
  const entries: PageEntry[] = [];
  for (let i = 0; i < page.length; i += 2) {
    entries.push({ key, text: page[i], score: Number(page[i + 1]) });
  }
  return entries;
}
