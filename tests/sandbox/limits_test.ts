import assert from "node:assert/strict";
import { Site } from "../guarantees/site.ts";
import { eventually } from "../harness/eventually.ts";

const JOBS = `
export function objects(): number {
  const all: number[][] = [];
  for (;;) all.push(new Array(1000).fill(Math.random()));
}
export async function bytes(): Promise<number> {
  const all: Uint8Array[] = [];
  for (;;) {
    all.push(new Uint8Array(10e6).fill(1));
    await sleep(1);
  }
}
export function some(): number {
  const all: number[][] = [];
  for (let n = 0; n < 5_000; n++) all.push(new Array(1000).fill(n));
  return all.length;
}
export async function slow(): Promise<number> {
  ran();
  await sleep(20);
  return 1;
}
`;

for (const kind of ["objects", "bytes"]) {
  Deno.test(`a job that fills the memory with ${kind} ends at the limit, and its error names it`, async () => {
    await using site = await Site.open("sqlite", JOBS);
    const spec = { retries: 0, ttl: 60 };
    await using mqk = await site.run("-w", "1", "--max-memory", "150");
    const within = await site.client.invoke({ job: "./jobs.ts#some", ...spec });
    assert.equal(await within.result({ timeout: 30 }), 5000);
    const job = await site.client.invoke({
      job: `./jobs.ts#${kind}`,
      ...spec,
    });
    await assert.rejects(job.result({ timeout: 60 }), (error: Error) => {
      assert.match(
        (error.cause as Error).message,
        /worker died.*more than the 150 MB of --max-memory/,
      );
      return true;
    });
    assert.ok(mqk.stderr.length > 0);
    const after = await site.client.invoke({ job: "./jobs.ts#some", ...spec });
    assert.equal(await after.result({ timeout: 30 }), 5000);
  });
}

for (const kind of ["sqlite", "redis"] as const) {
  Deno.test(`after --max-jobs a worker beside ${kind} is replaced without a gap, and each job runs once`, async () => {
    await using site = await Site.open(kind, JOBS);
    const jobs = await site.client.invokeMany(
      Array.from({ length: 400 }, () => ({ job: "./jobs.ts#slow" })),
    );
    await using mqk = await site.run("-w", "1", "--max-jobs", "100");
    const first = mqk.workerPids;
    let least = Infinity;
    const looks = setInterval(() => {
      least = Math.min(least, mqk.workerPids.length);
    }, 20);
    try {
      await Promise.all(jobs.map((job) => job.result({ timeout: 60 })));
    } finally {
      clearInterval(looks);
    }
    assert.equal(site.repeats(jobs.map(({ id }) => id)), 0);
    await eventually(() => {
      assert.ok(!mqk.workerPids.includes(first[0]), mqk.stderr.join("\n"));
      assert.equal(mqk.workerPids.length, 1);
    });
    assert.ok(least >= 1, "there was a moment without a worker");
    await eventually(() => {
      assert.ok(mqk.stderr.some((line) => /it has run \d+ jobs/.test(line)));
    });
  });
}
