/** Reports that take their time, and can be stopped. */
import { currentJob, predecessors } from "@mqk/core";
import { setTimeout as sleep } from "node:timers/promises";

/** Makes a report page by page; ends at once when it is cancelled. */
export async function build(name: string, pages: number): Promise<string> {
  const { signal } = currentJob();
  for (let page = 1; page <= pages; page++) {
    await sleep(100, undefined, { signal });
  }
  return `${name}: ${pages} pages`;
}

/** Notes when it began and ended, in a file. */
export async function timed(tenant: string, file: string): Promise<void> {
  const note = (what: string) =>
    Deno.writeTextFileSync(file, `${what} ${tenant}\n`, { append: true });
  note("begin");
  await sleep(50);
  note("end");
}

/** Binds those reports that were made. */
export async function bind(): Promise<string> {
  const made = (await predecessors()).filter(({ status }) => status === "done");
  return made.map(({ value }) => value).join(", ");
}
