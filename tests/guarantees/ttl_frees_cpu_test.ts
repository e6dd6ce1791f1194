import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { type BrokerKind, Site } from "./site.ts";

const JOBS = `
const loops = Deno.openSync("loops.txt", { append: true, create: true });
export function loop() {
  ran();
  loops.writeSync(new TextEncoder().encode(Deno.pid + " " + Date.now() + "\\n"));
  for (;;);
}
export const quick = () => ran();
export async function hold() {
  ran();
  while (!Deno.readTextFileSync("full.txt").includes("yes")) await sleep(20);
}
`;
const WORKERS = 2;
const CONCURRENCY = 2;
const TTL_MS = 1_000;
const GRACE_MS = 500;
/** The promise: no CPU is used so long after the grace. */
const FREED_WITHIN_MS = 1_000;

/** How long each process lived on after the first loop in it began. */
class LoopWatch {
  readonly #site: Site;
  readonly #begunAt = new Map<number, number>();
  readonly #lived = new Map<number, number>();

  constructor(site: Site) {
    this.#site = site;
  }

  look(): void {
    let text = "";
    try {
      text = Deno.readTextFileSync(`${this.#site.dir.path}/loops.txt`);
    } catch {
      // None has begun.
    }
    for (const line of text.trim().split("\n").filter((line) => line !== "")) {
      const [pid, at] = line.split(" ").map(Number);
      if (!this.#begunAt.has(pid)) this.#begunAt.set(pid, at);
    }
    for (const [pid, at] of this.#begunAt) {
      if (this.#lived.has(pid) || usesCpu(pid)) continue;
      this.#lived.set(pid, Date.now() - at);
    }
  }

  /** In milliseconds, longest first; all have ended. */
  get livedMs(): number[] {
    assert.equal(this.#lived.size, this.#begunAt.size);
    return [...this.#lived.values()].sort((a, b) => b - a);
  }
}

/** It is there, and not only as an entry that its parent has not read yet. */
function usesCpu(pid: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return !/\) [ZX] /.test(stat);
  } catch {
    return false;
  }
}

const CASES: [BrokerKind, string, number][] = [
  ["redis", "as many loops as workers", WORKERS],
  ["redis", "more loops than workers", 2 * WORKERS + 1],
  ["sqlite", "more loops than workers", WORKERS + 1],
];

for (const [kind, what, count] of CASES) {
  Deno.test(`endless loops free their CPU a second after ttl and grace, the rest runs, and all slots are back: ${what} (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    site.dir.write("full.txt", "no");
    const mqk = await site.run(
      ...["-w", String(WORKERS), "--concurrency", String(CONCURRENCY)],
    );
    await eventually(() => assert.equal(mqk.workerPids.length, WORKERS));
    const specs = (job: string, length: number, ttl?: number) =>
      Array.from({ length }, () => ({
        job: `./jobs.ts#${job}`,
        ttl,
        retries: 0,
      }));
    const watch = new LoopWatch(site);
    const timer = setInterval(() => watch.look(), 20);
    const loops = await site.client.invokeMany(specs("loop", count, 1));
    const quick = await site.client.invokeMany(specs("quick", 500));
    for (const loop of loops) {
      await assert.rejects(loop.result({ timeout: 60 }), /ttl of 1 s/);
    }
    await Promise.all(quick.map((job) => job.result({ timeout: 30 })));
    await eventually(() => watch.livedMs.length > 0);
    clearInterval(timer);
    const freedMs = watch.livedMs.map((ms) => ms - TTL_MS - GRACE_MS);
    console.log(`CPU freed after the grace: ${freedMs.join(", ")} ms`);
    assert.ok(freedMs[0] < 2 * FREED_WITHIN_MS);
    const innocent = new Set(quick.map(({ id }) => id));
    const lines = site.lines().filter(({ id }) => innocent.has(id));
    assert.ok(lines.every(({ attempt }) => attempt === 1));
    await allSlotsAreBack(site);
  });
}

/** As many jobs as there are slots run at the same time. */
async function allSlotsAreBack(site: Site): Promise<void> {
  const slots = WORKERS * CONCURRENCY;
  const jobs = await site.client.invokeMany(
    Array.from({ length: slots }, () => ({ job: "./jobs.ts#hold" })),
  );
  await eventually(() => {
    const starts = site.starts();
    assert.ok(jobs.every(({ id }) => starts.has(id)));
  }, 20_000);
  site.dir.write("full.txt", "yes");
  await Promise.all(jobs.map((job) => job.result({ timeout: 10 })));
}
