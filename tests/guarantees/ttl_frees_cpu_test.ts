import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { Site } from "./site.ts";

const JOBS = `
export function loop() { ran(); for (;;); }
export const quick = () => ran();
`;

/** Seconds of CPU that a process has used; 0 if it is gone. */
function cpuSeconds(pid: number): number {
  try {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

Deno.test("endless loops are stopped at their ttl, the rest runs, and all workers are back", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run("-w", "2", "--concurrency", "2");
  await eventually(() => assert.equal(mqk.workerPids.length, 2));
  const loops = await site.client.invokeMany(
    Array.from({ length: 3 }, () => ({
      job: "./jobs.ts#loop",
      ttl: 1,
      retries: 0,
    })),
  );
  const quick = await site.client.invokeMany(
    Array.from({ length: 500 }, () => ({ job: "./jobs.ts#quick" })),
  );
  for (const loop of loops) {
    await assert.rejects(loop.result({ timeout: 30 }), /ttl of 1 s|died/);
  }
  await Promise.all(quick.map((job) => job.result({ timeout: 30 })));
  assert.equal(site.repeats(quick.map(({ id }) => id)) >= 3, true);
  const attempts = site.lines().filter(({ id }) =>
    quick.some((job) => job.id === id)
  );
  assert.ok(attempts.every(({ attempt }) => attempt === 1));
  await eventually(() => {
    const pids = mqk.workerPids;
    assert.equal(pids.length, 2);
    const before = pids.map(cpuSeconds);
    return new Promise<boolean>((resolve) =>
      setTimeout(
        () => resolve(pids.every((pid, i) => cpuSeconds(pid) < before[i] + .2)),
        1_000,
      )
    );
  }, 15_000);
});
