import assert from "node:assert/strict";
import { type BrokerKind, Site } from "./site.ts";

for (const kind of ["redis", "sqlite"] satisfies BrokerKind[]) {
  Deno.test(`two programs run each of 10,000 jobs exactly once (${kind})`, async () => {
    await using site = await Site.open(kind, "");
    const jobs = await site.client.invokeMany(
      Array.from({ length: 10_000 }, () => ({ job: "./jobs.ts#ran" })),
    );
    const programs = await Promise.all([
      site.run("-b", "-w", "1"),
      site.run("-b", "-w", "2"),
    ]);
    for (const program of programs) assert.equal(await program.exitCode(), 0);
    assert.equal(site.repeats(jobs.map(({ id }) => id)), 0);
    assert.equal(jobs.length, 10_000);
  });
}
