import { join } from "node:path";
import type { Count } from "../jobs/words.ts";

const SKIPPED = new Set([".git", ".mqk", "node_modules"]);
/** A zero byte near the beginning means: no text. */
const PROBED_BYTES = 8192;

/** The text files below a folder, at most `limit`; links are not followed. */
export async function* textFiles(
  folder: string,
  limit: number,
): AsyncGenerator<string> {
  let left = limit;
  const folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const entry of entriesOf(next)) {
      if (SKIPPED.has(entry.name)) continue;
      const path = join(next, entry.name);
      if (entry.isDirectory) folders.push(path);
      else if (entry.isFile && await isText(path) && left-- > 0) yield path;
    }
    if (left <= 0) return;
  }
}

function entriesOf(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch {
    // Not ours to read.
    return [];
  }
}

async function isText(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path);
    const bytes = new Uint8Array(PROBED_BYTES);
    const length = await file.read(bytes) ?? 0;
    return !bytes.subarray(0, length).includes(0);
  } catch {
    return false;
  }
}

/**
 * Counts files without any job, and in another way than the job does: byte by
 * byte. What both find must be equal.
 */
export async function countDirectly(paths: readonly string[]): Promise<Count> {
  const total = { lines: 0, words: 0 };
  for (const path of paths) {
    const text = await Deno.readTextFile(path);
    let inWord = false;
    for (const character of text) {
      if (character === "\n") total.lines++;
      const isSpace = /\s/.test(character);
      if (!isSpace && !inWord) total.words++;
      inWord = !isSpace;
    }
    if (text !== "" && !text.endsWith("\n")) total.lines++;
  }
  return total;
}
