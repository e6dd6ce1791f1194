import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { cpuMs } from "./cpu.ts";
import { Site } from "./site.ts";

const JOBS = `
export const sum = (a: number, b: number) => a + b;
export const throws = () => { throw new Error("no"); };
`;
const JOB = '"job":"./jobs.ts#sum","args":[1,2]';
const FAILED = "mqk:{default}:failed";
const READY = "mqk:{default}:ready";

/** Values of every type; `except` are allowed in a field. */
const wrong = (field: string, except: readonly string[]): string[] =>
  ['""', '"text"', "-1", "0", "0.5", "7", "1e999", "true", "null", "[]", "{}"]
    .filter((value) => !except.includes(value))
    .map((value) => `{"v":1,${JOB},"${field}":${value}}`);

/** What nobody can read, whoever pushed it. */
const BROKEN: readonly string[] = [
  "",
  "not json",
  "\0",
  "{}",
  "[]",
  "null",
  "7",
  `{"v":1}`,
  ...wrong("v", ["7", "1e999"]),
  ...wrong("job", ['"text"']),
  ...wrong("args", ["[]"]),
  ...wrong("id", ['""', '"text"']),
  ...wrong("uid", ['""', '"text"']),
  ...wrong("ttl", ["0.5", "7"]),
  ...wrong("retries", ["0", "7"]),
  ...wrong("backoff", []),
  ...wrong("attempt", ["7"]),
  ...wrong("result", ["true"]),
  `{"v":1,${JOB},"backoff":{"fixed":"soon"}}`,
  `{"v":1,${JOB},"filler":"${"x".repeat(5 * 1024 * 1024)}"}`,
  "x".repeat(4 * 1024 * 1024 + 1),
  "x".repeat(4 * 1024 * 1024),
];
const LATER = `{"v":99,${JOB}}`;

/** Pushes all bad messages, then a good job, which must run at once. */
async function goodBehindBad(site: Site): Promise<void> {
  await (await site.client.invoke("./jobs.ts#sum", 1, 2)).result();
  for (const message of BROKEN) await site.redis!.call("RPUSH", READY, message);
  await site.redis!.call("RPUSH", READY, LATER);
  const startedAt = performance.now();
  const good = await site.client.invoke("./jobs.ts#sum", 3, 4);
  assert.equal(await good.result({ timeout: 10 }), 7);
  const tookMs = Math.round(performance.now() - startedAt);
  console.log(`a good job behind ${BROKEN.length} bad ones took ${tookMs} ms`);
  assert.ok(tookMs < 2_000, `${tookMs} ms`);
}

Deno.test("whatever is pushed, a good job runs within a second, the bad say why they failed", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run("-w", "2");
  await goodBehindBad(site);

  const { redis } = site;
  await eventually(async () =>
    assert.equal(await redis!.call("ZCARD", FAILED), BROKEN.length)
  );
  const entries = await redis!.call("ZRANGE", FAILED, 0, -1) as string[];
  const reasons = entries.map((entry) => JSON.parse(entry).error.message);
  assert.deepEqual(
    reasons.filter((reason) =>
      !/^Cannot read this message: |bytes/.test(reason)
    ),
    [],
  );
  // What a later program pushed waits for a worker that knows it, unchanged.
  await eventually(async () =>
    assert.deepEqual(
      await redis!.call("ZRANGE", "mqk:{default}:retry", 0, -1),
      [
        LATER,
      ],
    )
  );
  await eventually(() =>
    assert.ok(mqk.stderr.some((line) => /version/.test(line)))
  );
});

Deno.test("in fast mode bad messages are dropped with a line, and a good job runs at once", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run("-w", "1", "-f");
  await goodBehindBad(site);
  assert.ok(mqk.stderr.some((line) => /Cannot read this message/.test(line)));
  await eventually(() =>
    assert.ok(mqk.stderr.some((line) => /version/.test(line)))
  );
  assert.equal(mqk.workerPids.length, 1);
});

for (const key of ["ready", "inbox", "suspect", "crashed", "workers"]) {
  Deno.test(`a foreign ${key} key that appears while workers run is one clear line and exit code 1`, async () => {
    await using site = await Site.open("redis", JOBS);
    const mqk = await site.run("-w", "2");
    await (await site.client.invoke("./jobs.ts#sum", 1, 2)).result();
    const name = `mqk:{default}:${key}`;
    await site.redis!.call("DEL", name);
    await site.redis!.call("SET", name, "foreign");
    const startedAt = performance.now();
    assert.equal(await mqk.exitCode(), 1);
    const tookMs = Math.round(performance.now() - startedAt);
    console.log(`ended after ${tookMs} ms`);
    assert.ok(tookMs < 20_000);
    const said = mqk.stderr.filter((line) => line.startsWith("mqk: "));
    assert.equal(said.length, 1, mqk.stderr.join("\n"));
    assert.ok(said[0].includes(`key ${name} must be a `), said[0]);
  });
}

for (const key of ["ready", "retry"]) {
  Deno.test(`a foreign ${key} key of one queue is a clear line, costs no CPU, and the other queue runs on`, async () => {
    await using site = await Site.open("redis", JOBS);
    const mqk = await site.run(
      "-w",
      "2",
      "--queue",
      "default",
      "--queue",
      "other",
    );
    // Both have started: that costs more than what is looked for.
    await eventually(async () => {
      const ready = await site.redis!.call("KEYS", "mqk:worker:*") as string[];
      assert.equal(ready.length, 2);
    }, 20_000);
    const sum = (delay?: number) =>
      site.client.invoke({ job: "./jobs.ts#sum", queue: "other", delay }, 1, 2);
    const throws = { job: "./jobs.ts#throws", backoff: { fixed: 1 } };
    await (await sum()).result();
    const name = `mqk:{default}:${key}`;
    await site.redis!.call("SET", name, "foreign");
    // One that wants to be there.
    if (key === "retry") await site.client.invoke(throws);
    await eventually(() =>
      assert.ok(
        mqk.stderr.some((line) => line.includes(`key ${name} must be a `)),
        mqk.stderr.join("\n"),
      ), 20_000);
    const usedMs = cpuMs(mqk.workerPids);
    const startedAt = performance.now();
    assert.equal(await (await sum()).result({ timeout: 10 }), 3);
    // What is due moves as well.
    assert.equal(await (await sum(3)).result({ timeout: 20 }), 3);
    const share = (cpuMs(mqk.workerPids) - usedMs) /
      (performance.now() - startedAt);
    console.log(`${Math.round(share * 100)} % of a core`);
    assert.ok(share < 0.25, `${share}`);
    assert.equal(mqk.workerPids.length, 2);
  });
}
