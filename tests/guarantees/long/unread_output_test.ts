import assert from "node:assert/strict";
import { eventually } from "../../harness/eventually.ts";
import { CLI } from "../../harness/mqk_process.ts";
import { Site } from "../site.ts";

const UNREAD_MS = 30_000;
const JOBS = `
const line = "x".repeat(1023);
export function print() { ran(); for (let i = 0; i < 300; i++) console.log(line); return "printed"; }
export function quick(n: number) { ran(); return n; }
`;

Deno.test("while nobody reads the output for 30 s jobs run on, and one that prints too much waits with its lease", async () => {
  await using site = await Site.open("redis", JOBS);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-A", CLI, "run", "-w", "2", "-vvv", "-s", site.dsn],
    cwd: site.dir.path,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const print = await site.client.invoke({
    job: "./jobs.ts#print",
    retries: 0,
  });
  await eventually(() => assert.equal(site.lines().length, 1), 20_000);
  const ids = [print.id];
  let ended: Promise<Deno.CommandOutput> | undefined;
  try {
    const end = performance.now() + UNREAD_MS;
    while (performance.now() < end) {
      const n = ids.length;
      const job = await site.client.invoke("./jobs.ts#quick", n);
      ids.push(job.id);
      assert.equal(await job.result({ timeout: 20 }), n);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    console.log(`${ids.length - 1} jobs ran`);
    assert.equal(await print.status(), "pending");
    // Now somebody reads.
    ended = child.output();
    assert.equal(await print.result({ timeout: 20 }), "printed");
  } finally {
    child.kill("SIGTERM");
    const { code, stderr } = await (ended ?? child.output());
    assert.equal(code, 0);
    console.log(`${stderr.length} bytes of log`);
    assert.doesNotMatch(new TextDecoder().decode(stderr), /has lapsed/);
  }
  assert.equal(site.repeats(ids), 0);
});

Deno.test("a module whose import never ends fails its job after 30 s, neighbours run meanwhile", async () => {
  await using site = await Site.open("redis", JOBS);
  site.dir.write(
    "endless.ts",
    "await new Promise(() => {}); export const f = () => 1;",
  );
  await site.run("-w", "1");
  const startedAt = performance.now();
  const endless = await site.client.invoke({
    job: "./endless.ts#f",
    retries: 0,
  });
  const neighbours = await site.client.invokeMany(
    Array.from(
      { length: 100 },
      (_, n) => ({ job: "./jobs.ts#quick", args: [n] }),
    ),
  );
  await Promise.all(neighbours.map((job) => job.result({ timeout: 20 })));
  await assert.rejects(endless.result({ timeout: 60 }), (error) => {
    assert.match(
      String((error as Error).cause),
      /endless\.ts.*30 s|30 s.*endless\.ts/,
    );
    return true;
  });
  console.log(`failed after ${Math.round(performance.now() - startedAt)} ms`);
  assert.equal(site.repeats(neighbours.map(({ id }) => id)), 0);
});
