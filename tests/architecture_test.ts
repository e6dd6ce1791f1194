import assert from "node:assert/strict";
import { join, relative, resolve } from "node:path";

const ROOT = join(import.meta.dirname!, "..");
const MAX_LINES = 400;

/** Which parts of `src/` a part may import; leaves may be imported by all. */
const ALLOWED: Record<string, readonly string[]> = {
  cli: [
    ...["master", "worker", "cron", "metrics", "client", "broker", "job"],
    "loader/jsonc.ts",
  ],
  metrics: ["master/observer.ts", "worker/health.ts", "broker", "job"],
  cron: [
    "worker/health.ts",
    "worker/reaper.ts",
    "worker/run_times.ts",
    "broker",
    "job",
  ],
  worker: ["broker", "job", "thread/protocol.ts"],
  testing: [
    "broker",
    "client",
    "job",
    "loader",
    "thread",
    "worker/cancellations.ts",
    "worker/flight.ts",
    "worker/holdings.ts",
    "worker/job_updates.ts",
    "worker/outcomes.ts",
    "worker/prefetch.ts",
    "worker/schedule_firer.ts",
  ],
  client: ["broker", "job"],
  broker: ["job"],
  thread: ["loader", "job"],
  loader: ["job"],
  master: [],
  job: [],
};
/** What these import among each other is all that they import. */
const LEAVES: Record<string, readonly string[]> = {
  "errors.ts": [],
  "hide_password.ts": [],
  "log.ts": [],
  "time": [],
  "tracing.ts": [],
  "master/orders.ts": [],
  "job_context.ts": ["broker/broker.ts", "broker/control.ts"],
};
const DUMPING_GROUNDS = /^(utils?|helpers?|common|types?|misc|lib|shared)$/;

function* filesBelow(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

/** The files below `src/` that a file imports, as paths from there. */
function imports(path: string): string[] {
  const text = Deno.readTextFileSync(path);
  const specifiers = text.matchAll(
    /^\s*(?:import|export)\b[^;"(]*?"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm,
  );
  return [...specifiers]
    .map(([, first, second]) => resolve(path, "..", first ?? second))
    .map((target) => relative(join(ROOT, "src"), target))
    .filter((target) => !target.startsWith(".."));
}

function isWithin(path: string, part: string): boolean {
  return path === part || path.startsWith(`${part}/`);
}

function mayImport(importer: string, imported: string): boolean {
  const leaf = Object.keys(LEAVES).find((name) => isWithin(importer, name));
  const part = importer.split("/")[0];
  const allowed = leaf === undefined
    ? [part, ...Object.keys(LEAVES), ...ALLOWED[part] ?? []]
    : [leaf, ...LEAVES[leaf]];
  return allowed.some((name) => isWithin(imported, name));
}

Deno.test("imports go one way, from the commands down to what a job is", () => {
  const wrong: string[] = [];
  let edges = 0;
  for (const path of filesBelow(join(ROOT, "src"))) {
    if (!path.endsWith(".ts")) continue;
    const importer = relative(join(ROOT, "src"), path);
    for (const imported of imports(path)) {
      edges++;
      if (!mayImport(importer, imported)) {
        wrong.push(`${importer} imports ${imported}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(edges > 100, `only ${edges} imports were found`);
});

Deno.test(`no file is longer than ${MAX_LINES} lines`, () => {
  const long: string[] = [];
  for (const folder of ["src", "tests", "tools"]) {
    for (const path of filesBelow(join(ROOT, folder))) {
      const lines = Deno.readTextFileSync(path).split("\n").length - 1;
      const name = relative(ROOT, path);
      if (lines > MAX_LINES && name !== "src/broker/redis/lua.ts") {
        long.push(`${name}: ${lines} lines`);
      }
    }
  }
  assert.deepEqual(long, []);
});

Deno.test("no folder or file has a name that says nothing", () => {
  const wrong: string[] = [];
  for (const folder of ["src", "tests", "tools", "examples"]) {
    for (const path of filesBelow(join(ROOT, folder))) {
      const names = relative(ROOT, path).replace(/\.[a-z]+$/, "").split("/");
      if (names.some((name) => DUMPING_GROUNDS.test(name))) wrong.push(path);
    }
  }
  assert.deepEqual(wrong, []);
});
