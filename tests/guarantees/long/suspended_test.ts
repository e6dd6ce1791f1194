import assert from "node:assert/strict";
import { openBroker } from "../../../src/broker/open.ts";
import { eventually } from "../../harness/eventually.ts";
import { together } from "../../harness/together.ts";
import { type BrokerKind, Site } from "../site.ts";

const JOBS = `
const starts = Deno.openSync("starts.txt", { append: true, create: true });
export async function short() {
  const line = Deno.pid + " " + currentJob().id + "\\n";
  starts.writeSync(new TextEncoder().encode(line));
  ran();
  await sleep(20);
}
`;
const SUSPENDED_MS = 30_000;
/** Jobs that run at once in one worker. */
const CONCURRENCY = 10;

/** Jobs that a worker process has started, in their order. */
function startedBy(site: Site, pid: number): string[] {
  return Deno.readTextFileSync(`${site.dir.path}/starts.txt`).split("\n")
    .filter((line) => line.startsWith(`${pid} `))
    .map((line) => line.split(" ")[1]);
}

/** Stops a worker at a moment when it keeps nobody from the store. */
async function suspend(site: Site, pid: number): Promise<void> {
  for (;;) {
    Deno.kill(pid, "SIGSTOP");
    // It may be in the middle of a transaction, and then all must wait for it.
    const free = site.client.invoke("./jobs.ts#short").then(() => true);
    const late = new Promise((done) => setTimeout(done, 2_000, false));
    if (await Promise.race([free, late])) return;
    Deno.kill(pid, "SIGCONT");
    await free;
  }
}

/** Lets it go on, so that it also ends if this test fails. */
function resume(pid: number): void {
  try {
    Deno.kill(pid, "SIGCONT");
  } catch {
    // It has ended.
  }
}

async function suspendAmidJobs(kind: BrokerKind): Promise<void> {
  await using site = await Site.open(kind, JOBS);
  await using broker = await openBroker(site.dsn);
  const mqk = await site.run("-w", "2", "--concurrency", String(CONCURRENCY));
  await eventually(() => assert.equal(mqk.workerPids.length, 2), 60_000);
  const jobs = await site.client.invokeMany(
    Array(10_000).fill({ job: "./jobs.ts#short", retries: 0 }),
  );
  const ids = jobs.map(({ id }) => id);
  const [worker, other] = mqk.workerPids;
  await eventually(() => {
    for (const pid of [worker, other]) assert.ok(startedBy(site, pid).length);
  }, 60_000);
  using _end = { [Symbol.dispose]: () => resume(worker) };
  await suspend(site, worker);
  const stoppedAtMs = performance.now();
  const [{ ready, held, suspect }] = await broker.counts(["default"]);
  const before = startedBy(site, worker);
  const started = site.starts();
  // Of both workers; how much that is depends on how slow a settle is.
  const unsettled = ids.filter((id) => started.has(id)).length -
    (ids.length - ready - held - suspect);

  await eventually(() => site.repeats(ids), 2 * SUSPENDED_MS);
  const allAfterMs = Math.round(performance.now() - stoppedAtMs);
  const restMs = SUSPENDED_MS - allAfterMs;
  await new Promise((done) => setTimeout(done, restMs));
  resume(worker);

  // It learns that its lease has lapsed, and another takes its place.
  await eventually(() => assert.ok(!mqk.workerPids.includes(worker)), 20_000);
  const after = startedBy(site, worker);
  assert.deepEqual(after.slice(0, before.length), before);
  // One may have been let start at the very moment at which all stood still.
  assert.ok(after.length <= before.length + 1, `${after.length} started`);
  // Whatever ran again, it had started: what had not went to others untouched.
  const again = [...site.starts()].filter(([, starts]) => starts > 1)
    .map(([id]) => id);
  console.log(
    `${kind}: all ran after ${allAfterMs} ms, ${again.length} again, ` +
      `${unsettled} were not settled`,
  );
  for (const id of again) assert.ok(after.includes(id), id);
  assert.ok(again.length <= unsettled + 1);
  await eventually(() => assert.equal(mqk.workerPids.length, 2), 60_000);
  const last = await site.client.invoke("./jobs.ts#short");
  await last.result();
  mqk.signal("SIGTERM");
  assert.equal(await mqk.exitCode(), 0);
}

Deno.test("a worker that is suspended for 30 s delays nobody, and starts nothing of its backlog afterwards", async () => {
  const kinds = ["redis", "sqlite"] satisfies BrokerKind[];
  await together(kinds.map(suspendAmidJobs));
});
