/**
 * A job that is there once at a time, and is cancelled:
 *
 *     deno task mqk run       in one terminal
 *     deno run -A unique.ts   in another
 */
import { invoke, JobCancelledError } from "@mqk/core";

const report = { job: "./jobs/reports.ts#build", unique: {} };

const first = await invoke(report, "yearly", 3);
const again = await invoke(report, "yearly", 3);
console.log("one job for both calls:", first.id === again.id);
console.log(await again.result());
const next = await invoke(report, "yearly", 3);
console.log("a new one after it has ended:", next.id !== first.id);
console.log(await next.result());

const endless = await invoke(report, "endless", 1_000_000);
console.log("cancelled:", await endless.cancel());
try {
  await endless.result();
} catch (error) {
  if (!(error instanceof JobCancelledError)) throw error;
  console.log("its status:", await endless.status());
}
