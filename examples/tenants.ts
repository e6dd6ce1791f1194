/**
 * Tenants that share a queue: they take turns, each has one job at a time.
 *
 *     deno task mqk run        in one terminal
 *     deno run -A tenants.ts   in another
 */
import { resolve } from "node:path";
import { connect } from "@mqk/core";

const file = resolve(Deno.args[0] ?? "tenants.txt");
Deno.writeTextFileSync(file, "");

await using client = connect();
const queue = client.queue("default");
await queue.setLimits({ group: { concurrency: 1 } });

// The large tenant comes first, with many jobs.
const tenants = [...Array(10).fill("large"), "small", "tiny", "small"];
const jobs = await client.invokeMany(tenants.map((tenant) => ({
  job: "./jobs/reports.ts#timed",
  args: [tenant, file],
  group: tenant,
})));
await Promise.all(jobs.map((job) => job.result()));

const lines = Deno.readTextFileSync(file).trim().split("\n");
const running = new Map<string, number>();
let most = 0;
for (const line of lines) {
  const [what, tenant] = line.split(" ");
  const now = (running.get(tenant) ?? 0) + (what === "begin" ? 1 : -1);
  running.set(tenant, now);
  most = Math.max(most, now);
}
console.log("jobs at once of one tenant, at most:", most);
const ends = lines.filter((line) => line.startsWith("end"));
console.log(
  "small ones waited for all of the large one:",
  [
    ends.lastIndexOf("end small"),
    ends.lastIndexOf("end tiny"),
  ].some((place) => place > 10),
);

await queue.setLimits({});
