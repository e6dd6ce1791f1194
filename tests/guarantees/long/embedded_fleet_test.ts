import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { eventually } from "../../harness/eventually.ts";
import { MqkProcess } from "../../harness/mqk_process.ts";
import { TempDir } from "../../harness/temp_dir.ts";
import { cpuMs } from "../cpu.ts";

const SECONDS = 30;
const PRODUCERS = 8;
const WORKERS = 4;
const JOBS_PER_SECOND = 500;
const MIB = 1024 * 1024;

const JOBS = `
import { currentJob } from "@mqk/core";
const file = Deno.openSync(new URL("ran.txt", import.meta.url), { append: true, create: true });
export function work() {
  const { id, attempt } = currentJob();
  file.writeSync(new TextEncoder().encode(id + " " + attempt + "\\n"));
}
`;

/** Writes the ids of what was confirmed; says nothing of what was not. */
const PRODUCER = `
import { invokeMany } from "@mqk/core";
const [out, perSecond, seconds] = Deno.args;
const file = Deno.openSync(out, { append: true, create: true });
const startMs = Date.now();
const end = startMs + Number(seconds) * 1000;
for (let turn = 1; Date.now() < end; turn++) {
  const jobs = await invokeMany(Array.from(
    { length: Math.ceil(Number(perSecond) / 10) },
    () => ({ job: "./jobs.ts#work", result: false }),
  ));
  file.writeSync(new TextEncoder().encode(jobs.map(({ id }) => id + "\\n").join("")));
  const waitMs = startMs + turn * 100 - Date.now();
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs)));
}
`;

function produce(dir: TempDir, n: number): Deno.ChildProcess {
  const perSecond = JOBS_PER_SECOND / PRODUCERS;
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "-A", "--config", `${dir.path}/deno.json`],
      `${dir.path}/producer.ts`,
      ...[`${dir.path}/confirmed_${n}.txt`, String(perSecond)],
      String(SECONDS),
    ],
    cwd: `${dir.path}/producers/${n}`,
    env: { MQK_DSN: "" },
    stdin: "null",
  }).spawn();
}

function run(dir: TempDir, n: number): MqkProcess {
  return MqkProcess.start(["-w", "1", "-q"], `${dir.path}/workers/${n}`);
}

/** Lines of all files of the folder whose names begin so. */
function lines(dir: TempDir, name: string): string[] {
  return [...Deno.readDirSync(dir.path)]
    .filter((entry) => entry.name.startsWith(name))
    .flatMap((entry) =>
      // A process that is killed may leave half a line.
      Deno.readTextFileSync(`${dir.path}/${entry.name}`).split("\n").slice(
        0,
        -1,
      )
    );
}

function size(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("an embedded file survives a fleet of which one is killed each second, and a slow reader", async () => {
  await using dir = new TempDir();
  const core = fileURLToPath(import.meta.resolve("../../../mod.ts"));
  dir.write("deno.json", JSON.stringify({ imports: { "@mqk/core": core } }));
  dir.write("jobs.ts", JOBS);
  dir.write("producer.ts", PRODUCER);
  for (let n = 0; n < PRODUCERS; n++) dir.write(`producers/${n}/here`, "");
  for (let n = 0; n < WORKERS; n++) dir.write(`workers/${n}/here`, "");
  const path = `${dir.path}/.mqk/queue.sqlite`;
  await using resources = new AsyncDisposableStack();
  const masters = Array.from(
    { length: WORKERS },
    (_, n) => resources.use(run(dir, n)),
  );
  const producers = Array.from(
    { length: PRODUCERS },
    (_, n) => produce(dir, n),
  );
  await eventually(() => assert.ok(lines(dir, "ran.txt").length > 0), 60_000);

  // A reader that holds one state of the file, for 5 s at a time.
  using reader = new DatabaseSync(path, { readOnly: true });
  let largestWal = 0;
  for (let second = 0; second < SECONDS; second++) {
    if (second % 5 === 0) {
      if (second > 0) reader.exec("COMMIT");
      reader.exec("BEGIN; SELECT count(*) FROM waiting");
    }
    if (second % 3 === 2) {
      const n = second % PRODUCERS;
      kill(producers[n].pid);
      await producers[n].status;
      producers[n] = produce(dir, n);
    } else {
      const n = second % WORKERS;
      const [worker] = masters[n].workerPids;
      if (worker !== undefined && second % 2 === 0) kill(worker);
      else {
        const orphans = masters[n].workerPids;
        masters[n].signal("SIGKILL");
        for (const pid of orphans) kill(pid);
        await masters[n].status;
        masters[n] = resources.use(run(dir, n));
      }
    }
    await after(1000);
    largestWal = Math.max(largestWal, size(`${path}-wal`));
  }
  reader.exec("COMMIT");
  const readerEnded = performance.now();
  for (const producer of producers) kill(producer.pid);
  await Promise.all(producers.map(({ status }) => status));

  const confirmed = lines(dir, "confirmed_");
  await eventually(() => {
    const ran = new Set(
      lines(dir, "ran.txt").map((line) => line.split(" ")[0]),
    );
    const lost = confirmed.filter((id) => !ran.has(id));
    assert.deepEqual(
      lost,
      [],
      `${lost.length} of ${confirmed.length} did not run`,
    );
  }, 60_000);
  await after(10_000 - (performance.now() - readerEnded));
  const lastWal = size(`${path}-wal`);
  const all = lines(dir, "ran.txt").length;
  console.log(
    `${confirmed.length} confirmed, ${all} starts, -wal at most ${
      (largestWal / MIB).toFixed(1)
    } MiB, afterwards ${(lastWal / MIB).toFixed(1)} MiB`,
  );
  assert.ok(confirmed.length > JOBS_PER_SECOND * SECONDS / 3);
  assert.ok(largestWal < 100 * MIB);
  assert.ok(lastWal < 16 * MIB);

  await eventually(() => {
    const pids = masters.flatMap((
      master,
    ) => [master.pid, ...master.workerPids]);
    assert.equal(pids.length, 2 * WORKERS);
    const usedMs = cpuMs(pids);
    return after(5_000).then(() => {
      const share = (cpuMs(pids) - usedMs) / 5_000 / WORKERS;
      console.log(
        `an idle worker and its master use ${
          (share * 100).toFixed(1)
        } % of a core`,
      );
      assert.ok(share < 0.05);
    });
  }, 30_000);
  const [row] = reader.prepare("PRAGMA integrity_check").all();
  assert.deepEqual({ ...row }, { integrity_check: "ok" });
});

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
