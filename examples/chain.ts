/**
 * Many jobs, one that starts when all have ended, and one after that:
 *
 *     deno task mqk run      in one terminal
 *     deno run -A chain.ts   in another
 */
import { invoke, invokeAll } from "@mqk/core";

const { jobs, then } = await invokeAll(
  ["spring", "summer", "autumn"].map((name, i) => ({
    job: "./jobs/reports.ts#build",
    args: [name, i + 1],
  })),
  { then: { job: "./jobs/reports.ts#bind" } },
);
await jobs[2].cancel(); // it will not be among them
console.log("bound:", await then.result());

const winter = await invoke("./jobs/reports.ts#build", "winter", 2);
const all = await invoke(
  { job: "./jobs/reports.ts#bind", after: [then, winter] },
);
console.log("and then:", await all.result());
