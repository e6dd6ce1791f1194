/** `mqk run --metrics` and `mqk metrics`, with real workers. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { connect } from "../../mod.ts";
import { openBroker } from "../../src/broker/open.ts";
import { eventually } from "../harness/eventually.ts";
import { mqk, MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const JOBS = `
import { currentJob } from "@mqk/core";
export const quick = (n) => n;
export const slow = () => new Promise((resolve) => setTimeout(resolve, 300));
export const fails = () => { throw new Error("no luck"); };
export const blocks = () => { for (;;); };
export const kills = () => Deno.kill(Deno.pid, "SIGKILL");
export const waits = () => new Promise((_, reject) => {
  const { signal } = currentJob();
  signal.addEventListener("abort", () => reject(signal.reason));
});
`;

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;

/** Metrics by name and the values of their labels: `mqk_jobs a ready`. */
function parse(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    assert.ok(name !== undefined, line);
    const all = [...labels.matchAll(/="([^"]*)"/g)].map(([, label]) => label);
    values.set([name, ...all].join(" "), Number(value));
  }
  return values;
}

function project(): TempDir {
  const dir = new TempDir();
  const core = import.meta.resolve("../../mod.ts");
  dir.write("deno.json", JSON.stringify({ imports: { "@mqk/core": core } }));
  dir.write("jobs.ts", JOBS);
  return dir;
}

/** `mqk run --metrics` on a free port, and where it is. */
async function run(
  dir: TempDir,
  dsn: string,
  ...options: string[]
): Promise<{ mqk: MqkProcess; get(path: string): Promise<Response> }> {
  const where = ["--metrics", "127.0.0.1:0", "--root", dir.path];
  const mqk = MqkProcess.start(["-s", dsn, ...where, ...options]);
  await mqk.ready();
  const line = mqk.stderr.find((line) => line.includes("Metrics at "))!;
  const url = /Metrics at (\S+)/.exec(line)![1];
  return { mqk, get: (path) => fetch(new URL(path, url)) };
}

async function countsJobs(dsn: string): Promise<void> {
  await using dir = project();
  const options = ["--queue", "a", "--queue", "b", "-w", "2"];
  const { mqk: process, get } = await run(dir, dsn, ...options);
  await using _process = process;
  await using client = connect(dsn);
  const job = (name: string, more = {}) => ({
    job: `./jobs.ts#${name}`,
    queue: "a",
    ...more,
  });
  await client.invokeMany(
    [1, 2, 3].map((n) => ({ ...job("quick"), args: [n] })),
  );
  await client.invoke({ ...job("slow"), queue: "b" });
  await client.invoke(job("fails", { retries: 1, backoff: { fixed: 0.01 } }));
  const waits = await client.invoke(job("waits"));
  const metrics = async () => parse(await (await get("/metrics")).text());
  await eventually(async () => {
    assert.equal((await metrics()).get("mqk_jobs_in_process running"), 1);
  }, 20_000);
  const lease = (await metrics()).get("mqk_lease_age_seconds")!;
  assert.ok(lease > 0 && lease < 5, `${lease}`);
  await waits.cancel();
  await eventually(async () => {
    const now = await metrics();
    const ended = (queue: string, how: string) =>
      now.get(`mqk_jobs_ended_total ${queue} ${how}`);
    assert.equal(ended("a", "done"), 3);
    assert.equal(ended("a", "retried"), 1);
    assert.equal(ended("a", "failed"), 1);
    assert.equal(ended("a", "cancelled"), 1);
    assert.equal(ended("b", "done"), 1);
    assert.equal(ended("b", "failed"), 0);
    const duration = (part: string, queue: string, ...le: string[]) =>
      now.get(
        [`messaging_process_duration_seconds_${part} mqk process`, queue, ...le]
          .join(" "),
      );
    assert.equal(duration("count", "b"), 1);
    assert.equal(duration("bucket", "b", "0.25"), 0);
    assert.equal(duration("bucket", "b", "1"), 1);
    assert.ok(duration("sum", "b")! > 0.25 && duration("sum", "b")! < 1);
    assert.equal(now.get("mqk_jobs_in_process running"), 0);
    assert.equal(now.get("mqk_workers ready"), 2);
    assert.equal(now.get("mqk_worker_starts_total"), 2);
  }, 20_000);
}

Deno.test("Redis: mqk run --metrics counts how jobs end, and how long they run", async () => {
  await using redis = await RedisServer.start();
  await countsJobs(redis.dsn);
});

Deno.test("SQLite: mqk run --metrics counts how jobs end, and how long they run", async () => {
  await using folder = new TempDir();
  await countsJobs(`sqlite:${join(folder.path, "queue.sqlite")}`);
});

Deno.test("a worker that dies is counted, and /healthz says so until it is replaced", async () => {
  await using dir = project();
  const dsn = `sqlite:${join(dir.path, "queue.sqlite")}`;
  const { mqk: process, get } = await run(dir, dsn, "-w", "1");
  await using _process = process;
  assert.equal((await get("/healthz")).status, 200);
  Deno.kill(process.workerPids[0], "SIGKILL");
  await eventually(async () => {
    const response = await get("/healthz");
    assert.equal(response.status, 503);
    assert.deepEqual(await response.json(), {
      status: "unavailable",
      reasons: ["1 of 1 workers are not ready"],
    });
  });
  await eventually(async () => {
    assert.equal((await get("/healthz")).status, 200);
  }, 20_000);
  const now = parse(await (await get("/metrics")).text());
  assert.equal(now.get("mqk_worker_deaths_total"), 1);
  assert.equal(now.get("mqk_worker_starts_total"), 2);
});

Deno.test("jobs that take their worker with them are counted as well", async () => {
  await using dir = project();
  const dsn = `sqlite:${join(dir.path, "queue.sqlite")}`;
  const { mqk: process, get } = await run(dir, dsn, "-w", "1");
  await using _process = process;
  await using client = connect(dsn);
  const failed = async (jobs: number) => {
    const now = parse(await (await get("/metrics")).text());
    assert.equal(now.get("mqk_jobs_ended_total default failed"), jobs);
  };
  await client.invoke({ job: "./jobs.ts#blocks", ttl: 0.2, retries: 0 });
  await eventually(() => failed(1), 20_000);
  await client.invoke({ job: "./jobs.ts#kills", retries: 0 });
  await eventually(() => failed(2), 30_000);
});

Deno.test("/healthz says that the broker is away, and when it is back", async () => {
  await using redis = await RedisServer.start({ aof: true });
  await using dir = project();
  const { mqk: process, get } = await run(dir, redis.dsn, "-w", "1");
  await using _process = process;
  await eventually(async () => {
    assert.equal((await get("/healthz")).status, 200);
  });
  await redis.kill();
  await eventually(async () => {
    const { reasons } = await (await get("/healthz")).json();
    assert.match(
      reasons[0],
      /^the broker has not answered worker \d+ for \d+ s$/,
    );
  }, 30_000);
  await redis.restart();
  await eventually(async () => {
    assert.equal((await get("/healthz")).status, 200);
  }, 30_000);
});

Deno.test("while workers are replaced, nothing is wrong", async () => {
  await using dir = project();
  const dsn = `sqlite:${join(dir.path, "queue.sqlite")}`;
  const { mqk: process, get } = await run(dir, dsn, "-w", "1");
  await using _process = process;
  const [before] = process.workerPids;
  process.signal("SIGHUP");
  const answers: string[] = [];
  await eventually(async () => {
    answers.push(await (await get("/healthz")).text());
    const pids = process.workerPids;
    return pids.length === 1 && pids[0] !== before;
  }, 20_000);
  assert.deepEqual([...new Set(answers)], ['{"status":"ok"}\n']);
  const now = parse(await (await get("/metrics")).text());
  assert.equal(now.get("mqk_worker_deaths_total"), 0);
});

Deno.test("a port that is taken is one line, before any worker starts", async () => {
  await using folder = new TempDir();
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response(),
  );
  const address = `127.0.0.1:${server.addr.port}`;
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  for (const command of [["run", "--metrics"], ["metrics", "--listen"]]) {
    const { code, stdout, stderr } = await mqk([
      ...command,
      address,
      "-s",
      dsn,
    ]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.equal(
      stderr,
      `mqk: Cannot serve metrics at ${address}: another program listens there\n`,
    );
  }
});

Deno.test("an address that is none is wrong usage", async () => {
  for (const address of ["9090", ":99999", "http://x:1", ":", "[1::2]"]) {
    const { code, stderr } = await mqk(["run", "--metrics", address]);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^mqk: .*must be \[host\]:port, as :9090 or [^\n]*\n$/,
    );
  }
});

async function looksAtStore(dsn: string): Promise<void> {
  await using client = connect(dsn);
  const sum = { job: "mqk:calculator#sum", args: [1, 2] };
  await client.invokeMany([
    { ...sum, queue: "a" },
    { ...sum, queue: "a" },
    { ...sum, queue: "a", delay: 60 },
    { ...sum, queue: "b" },
  ]);
  await client.queue("b").pause();
  await using broker = await openBroker(dsn);
  const one = { limit: 1, bytes: 1000, known: 0, idle: true };
  const { tokens: [token] } = await broker.reserve("w", "a", one);
  await broker.settle("w", "a", [{ kind: "done", token }]);
  await broker.report("w", { pid: "7", queues: "a" });
  const { code, stdout, stderr } = await mqk(["metrics", "-s", dsn]);
  assert.equal(code, 0, stderr);
  const values = parse(stdout);
  const get = (...words: string[]) => values.get(words.join(" "));
  assert.equal(get("mqk_jobs", "a", "ready"), 1);
  assert.equal(get("mqk_jobs", "a", "scheduled"), 1);
  assert.equal(get("mqk_jobs", "b", "ready"), 1);
  assert.equal(get("mqk_jobs_left_total", "a", "done"), 1);
  assert.equal(get("mqk_jobs_left_total", "a", "failed"), 0);
  assert.equal(get("mqk_queue_paused", "a"), 0);
  assert.equal(get("mqk_queue_paused", "b"), 1);
  assert.equal(get("mqk_queue_workers", "a"), 1);
  assert.equal(get("mqk_queue_workers", "b"), 0);
  const one_queue = await mqk(["metrics", "-s", dsn, "--queue", "b"]);
  assert.ok(!one_queue.stdout.includes('"a"'));
}

Deno.test("Redis: mqk metrics prints what the store knows", async () => {
  await using redis = await RedisServer.start();
  await looksAtStore(redis.dsn);
});

Deno.test("SQLite: mqk metrics prints what the store knows", async () => {
  await using folder = new TempDir();
  await looksAtStore(`sqlite:${join(folder.path, "queue.sqlite")}`);
});

Deno.test("the oldest job's age is that of the next one", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  const sent = Date.now() - 90_000;
  await using broker = await openBroker(dsn);
  const message = `{"v":1,"id":"p.1","job":"x#f","sent":${sent}}`;
  await broker.enqueue([{ id: "p.1", queue: "old", message }]);
  const { stdout } = await mqk(["metrics", "-s", dsn]);
  const age = parse(stdout).get("mqk_oldest_job_age_seconds old")!;
  assert.ok(age >= 90 && age < 150, `${age}`);
});

Deno.test("mqk metrics --listen serves it until it is told to stop", async () => {
  await using redis = await RedisServer.start();
  await using client = connect(redis.dsn);
  await client.invoke("mqk:calculator#sum", 1, 2);
  const listen = ["metrics", "-s", redis.dsn, "--listen", "127.0.0.1:0"];
  await using process = MqkProcess.command(listen);
  const url = await eventually(() => {
    assert.match(
      process.stdout[0] ?? "",
      /^http:\/\/127\.0\.0\.1:\d+\/metrics$/,
    );
    return process.stdout[0];
  });
  const text = await (await fetch(url)).text();
  assert.equal(parse(text).get("mqk_jobs default ready"), 1);
  assert.equal((await fetch(new URL("/healthz", url))).status, 200);
  await redis.kill();
  await eventually(async () => {
    const response = await fetch(new URL("/healthz", url));
    assert.equal(response.status, 503);
    assert.match(await response.text(), /Redis/);
  }, 20_000);
  process.signal("SIGTERM");
  assert.equal(await process.exitCode(), 0);
});
