import assert from "node:assert/strict";
import type { Job } from "../../src/client/job.ts";
import { type BrokerKind, Site } from "./site.ts";

const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];

/** Jobs that say when they ran: a line each with name, start and end. */
const JOBS = `
const times = Deno.openSync("times.txt", { append: true, create: true });
export async function timed(name, ms) {
  const start = Date.now();
  await sleep(ms);
  const line = [name, start, Date.now()].join(" ") + "\\n";
  times.writeSync(new TextEncoder().encode(line));
}
export async function marked(name, ms) {
  Deno.writeTextFileSync(name + ".pid", String(Deno.pid));
  await timed(name, ms);
}
`;

/** When a job ran, in milliseconds since 1970. */
interface Run {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

function runs(site: Site): Run[] {
  return Deno.readTextFileSync(`${site.dir.path}/times.txt`).trim().split("\n")
    .map((line) => {
      const [name, start, end] = line.split(" ");
      return { name, startMs: Number(start), endMs: Number(end) };
    });
}

/** How many of these ran at once, at most. */
function mostAtOnce(all: readonly Run[]): number {
  const beginnings = all.map(({ startMs }) =>
    all.filter((other) => other.startMs <= startMs && startMs < other.endMs)
      .length
  );
  return Math.max(...beginnings);
}

async function ended(jobs: readonly Job[]): Promise<void> {
  await Promise.all(jobs.map((job) => job.result({ timeout: 60 })));
}

for (const kind of BOTH) {
  Deno.test(`a limit leaves no pauses between jobs (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    await site.client.queue("default").setLimits({ concurrency: 1 });
    const jobs = await site.client.invokeMany(
      Array.from({ length: 60 }, () => ({
        job: "./jobs.ts#timed",
        args: ["x", 5],
      })),
    );
    await site.run("-w", "1");
    await ended(jobs);
    const all = runs(site);
    assert.equal(mostAtOnce(all), 1);
    const tookMs = all.at(-1)!.endMs - all[0].startMs;
    // With a look 4 times a second it would take 15 s.
    assert.ok(tookMs < 8_000, `${tookMs} ms`);
  });
}
