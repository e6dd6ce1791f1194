/** Jobs that count lines and words: a fan-out, and a job that adds up. */
import { connect, jobs } from "@mqk/core";

/** What was counted. */
export interface Count {
  lines: number;
  words: number;
}

/** Counts one text file. */
export async function countFile(path: string): Promise<Count> {
  const text = await Deno.readTextFile(path);
  return {
    lines: text.split("\n").length -
      (text.endsWith("\n") || text === "" ? 1 : 0),
    words: text.match(/\S+/g)?.length ?? 0,
  };
}

/** Waits for the counts of other jobs and sends a last job that adds them up. */
export async function collect(handles: string[]): Promise<string> {
  await using client = connect();
  const counts = await Promise.all(
    handles.map((handle) => client.job<Count>(handle).result()),
  );
  const words = jobs<typeof import("./words.ts")>("./jobs/words.ts");
  const total = await words.addUp(counts);
  return total.handle;
}

/** Adds counts up. */
export function addUp(counts: Count[]): Count {
  const total = { lines: 0, words: 0 };
  for (const { lines, words } of counts) {
    total.lines += lines;
    total.words += words;
  }
  return total;
}
