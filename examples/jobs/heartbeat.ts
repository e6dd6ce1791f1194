/** Adds a line to a file: the job's id, in which its due time is. */
import { currentJob } from "@mqk/core";

export function beat(file: string): void {
  Deno.writeTextFileSync(file, `${currentJob().id}\n`, { append: true });
}
