/**
 * Three masters and their replicas, while one dies and while a slot moves.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Client, connect, EnqueueUncertainError } from "../../mod.ts";
import { eventually } from "../harness/eventually.ts";
import { mqk, MqkProcess } from "../harness/mqk_process.ts";
import { RedisCluster } from "../harness/redis_cluster.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** Of promotion, until workers and producers go on. */
const WITHIN_MS = 15_000;
const JOBS = `
export function note(n: number) {
  const log = new URL("log.txt", import.meta.url);
  Deno.writeTextFileSync(log, n + "\\n", { append: true });
}`;
/** On different nodes. */
const QUEUES = ["mail", "video", "shop", "default"];

/** Sends numbered jobs to all queues until it is stopped. */
class Producer implements AsyncDisposable {
  readonly confirmed = new Set<number>();
  uncertain = 0;
  readonly #client: Client;
  #next = 0;
  #ends = false;
  #running: Promise<void>;

  constructor(client: Client) {
    this.#client = client;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#ends = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const each = QUEUES.map(async (queue) => {
      while (!this.#ends) {
        const own = this.#next++;
        try {
          await this.#client.invoke({ job: "./jobs.ts#note", queue }, own);
          this.confirmed.add(own);
        } catch (error) {
          if (error instanceof EnqueueUncertainError) this.uncertain++;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    await Promise.all(each);
  }
}

function ran(dir: TempDir): Set<number> {
  return new Set(
    Deno.readTextFileSync(`${dir.path}/log.txt`).trim().split("\n")
      .map(Number),
  );
}

async function serve(
  dsn: string,
  dir: TempDir,
): Promise<MqkProcess> {
  dir.write("jobs.ts", JOBS);
  dir.write("log.txt", "");
  const queues = QUEUES.flatMap((queue) => ["--queue", queue]);
  return await MqkProcess.run(
    dsn,
    ...["--root", dir.path, "-w", "1", ...queues],
  );
}

function allRan(producer: Producer, dir: TempDir): Promise<void> {
  return eventually(() => {
    const done = ran(dir);
    const missing = [...producer.confirmed].filter((n) => !done.has(n));
    assert.deepEqual(missing, []);
  }, 60_000);
}

for (const how of ["kill", "pause"] as const) {
  Deno.test(`workers and producers go on when a master of a cluster is gone (${how})`, async () => {
    await using cluster = await RedisCluster.start({ replicas: 1 });
    await using dir = new TempDir();
    await using _run = await serve(cluster.dsn, dir);
    await using client = connect(cluster.dsn);
    await using careful = connect(cluster.dsn, { replicas: 1 });
    await using producer = new Producer(careful);
    await eventually(() => assert.ok(ran(dir).size > 100), 30_000);
    const key = "mqk:{mail}:ready";
    const master = await cluster.masterOf(key);
    if (how === "kill") await master.kill();
    else master.pause();
    const others = cluster.all.filter((server) => server !== master);
    await eventually(async () => {
      const roles = await Promise.all(
        others.map((server) => server.call("ROLE")),
      );
      const masters = roles.filter((role) =>
        (role as string[])[0] === "master"
      );
      assert.equal(masters.length, 3);
    }, 30_000);
    const promotedAtMs = performance.now();
    const sent = producer.confirmed.size;
    // Each queue is served and written again.
    for (const queue of QUEUES) {
      await eventually(
        async () => {
          const job = { job: "mqk:calculator#sum" as const, queue };
          const sum = await client.invoke(job, 1, 2);
          assert.equal(await sum.result({ timeout: 2 }), 3);
        },
        2 * WITHIN_MS,
      );
    }
    const tookMs = Math.round(performance.now() - promotedAtMs);
    await eventually(() => assert.ok(producer.confirmed.size > sent + 50));
    // It comes back as the replica that was missing; nobody writes to it.
    if (how === "pause") master.resume();
    else await master.restart();
    await eventually(async () => {
      assert.deepEqual((await master.call("ROLE") as string[])[0], "slave");
      const job = { job: "mqk:calculator#sum" as const, queue: "mail" };
      await careful.invoke(job, 1, 2);
    }, 30_000);
    await producer.stop();
    await allRan(producer, dir);
    console.log(
      `${tookMs} ms after the promotion; ${producer.confirmed.size} ` +
        `confirmed, ${producer.uncertain} uncertain`,
    );
    assert.ok(tookMs < 2 * WITHIN_MS, `${tookMs} ms`);
  });
}

Deno.test("a queue's slot moves to another node under load, and nothing is lost", async () => {
  await using cluster = await RedisCluster.start();
  await using dir = new TempDir();
  await using _run = await serve(cluster.dsn, dir);
  await using client = connect(cluster.dsn);
  await using producer = new Producer(client);
  await eventually(() => assert.ok(ran(dir).size > 100), 30_000);
  const key = "mqk:{mail}:ready";
  for (let round = 0; round < 3; round++) {
    const from = await cluster.masterOf(key);
    const to = cluster.masters.find((server) => server !== from)!;
    const sent = producer.confirmed.size;
    await cluster.move(key, to);
    await eventually(() => assert.ok(producer.confirmed.size > sent + 100));
    const job = { job: "mqk:calculator#sum" as const, queue: "mail" };
    const sum = await client.invoke(job, round, 2);
    assert.equal(await sum.result({ timeout: 10 }), round + 2);
  }
  await producer.stop();
  await allRan(producer, dir);
});

Deno.test("a node is added under load, takes a queue, and leaves again", async () => {
  await using cluster = await RedisCluster.start({ masters: 3 });
  await using dir = new TempDir();
  await using _run = await serve(cluster.dsn, dir);
  await using client = connect(cluster.dsn);
  await using producer = new Producer(client);
  await eventually(() => assert.ok(ran(dir).size > 100), 30_000);
  const key = "mqk:{video}:ready";
  const home = await cluster.masterOf(key);
  await using added = await cluster.add();
  await cluster.move(key, added);
  const job = { job: "mqk:calculator#sum" as const, queue: "video" };
  const there = await client.invoke(job, 1, 2);
  assert.equal(await there.result({ timeout: 20 }), 3);
  await cluster.move(key, home);
  await cluster.remove(added);
  // One that was on its way to it when it ended is uncertain.
  const back = await eventually(() => client.invoke(job, 3, 4));
  assert.equal(await back.result({ timeout: 20 }), 7);
  await producer.stop();
  await allRan(producer, dir);
});

Deno.test("the commands that the manual shows for a cluster do what it says", async () => {
  await using cluster = await RedisCluster.start();
  const manual = Deno.readTextFileSync(
    new URL("../../docs/operations.md", import.meta.url),
  );
  const [, block] = /<!-- cluster -->\s*```sh\n(.*?)```/s.exec(manual)!;
  const outputs: string[] = [];
  for (const line of block.trim().split("\n")) {
    const args = line.split(" ").slice(1).map((word) =>
      word.replace(/:700(\d)$/, (_, i) => `:${cluster.masters[i].port}`)
    );
    const { code, stdout, stderr } = await mqk(args);
    // These servers keep no append-only file, and doctor says so.
    assert.equal(code, args[0] === "doctor" ? 1 : 0, stdout + stderr);
    outputs.push(stdout.trim());
  }
  assert.equal(outputs[0].match(/^problem/gm)?.length, 3, outputs[0]);
  assert.match(outputs[0], /ok, 3 nodes serve 16384 of 16384 slots/);
  await using client = connect(cluster.masters.map(({ dsn }) => dsn), {
    cluster: true,
  });
  assert.equal(await client.job(outputs[1]).result({ timeout: 5 }), 3);
});

Deno.test("a user of a cluster needs no more rights than the manual lists", async () => {
  await using cluster = await RedisCluster.start();
  for (const server of cluster.all) {
    await server.call(
      ...["ACL", "SETUSER", "app", "on", ">p@ss", "~mqk:*", "&mqk:*"],
      ...["+@read", "+@write", "+@scripting", "+@pubsub", "+@connection"],
      ...["+time", "-@dangerous", "+cluster|slots", "+cluster|info"],
    );
  }
  const dsn = cluster.dsn.replace("//", "//app:p%40ss@");
  await using client = connect(dsn);
  const jobs = await Promise.all(
    QUEUES.map((queue) =>
      client.invoke({ job: "mqk:calculator#sum", queue }, 1, 2)
    ),
  );
  const queues = QUEUES.flatMap((queue) => ["--queue", queue]);
  const run = await mqk(["run", "-bq", "-w", "1", "-s", dsn, ...queues]);
  assert.equal(run.code, 0, run.stderr);
  for (const job of jobs) assert.equal(await job.result({ timeout: 5 }), 3);
});

Deno.test("what does not fit a cluster, and a cluster that is not named, is one clear line", async () => {
  await using server = await RedisServer.start();
  await using cluster = await RedisCluster.start();
  const foreign = cluster.masters.find((node) => node !== cluster.masters[0])!;
  const cases = [
    [
      ["run", "-b", "-c", "-s", server.dsn],
      /is no cluster: leave out --cluster/,
    ],
    [
      ["invoke", "mqk:calculator#sum", "1", "2", "-c", "-s", server.dsn],
      /is no cluster/,
    ],
    [[
      "run",
      "-b",
      "-s",
      foreign.dsn,
      ...QUEUES.flatMap((queue) => ["--queue", queue]),
    ], /belongs to a cluster: use --cluster/],
    [
      ["run", "-b", "-s", server.dsn, "-s", foreign.dsn],
      /several -s without --cluster/,
    ],
    [["run", "-b", "-c", "-s", "sqlite:a.sqlite"], /with a cluster/],
    [
      [
        "run",
        "-b",
        "-s",
        `redis+cluster://nobody:wrong@127.0.0.1:${foreign.port}`,
      ],
      /WRONGPASS/,
    ],
  ] as const;
  for (const [args, reason] of cases) {
    const { code, stderr } = await mqk([...args]);
    assert.notEqual(code, 0, args.join(" "));
    assert.match(stderr, reason);
    const lines = stderr.trim().split("\n");
    assert.equal(lines.length, 1, stderr);
  }
});

Deno.test("a node that is down at the start does not keep the others from serving", async () => {
  await using cluster = await RedisCluster.start();
  const down = await cluster.masterOf("mqk:{mail}:ready");
  const [up] = cluster.masters.filter((server) => server !== down);
  for (const server of cluster.all) {
    await server.call("CONFIG", "SET", "cluster-require-full-coverage", "no");
  }
  await down.kill();
  const dsn = `redis+cluster://127.0.0.1:${down.port},127.0.0.1:${up.port}`;
  await using client = connect(dsn);
  const queues = await Promise.all(
    QUEUES.map(async (queue) =>
      await cluster.masterOf(`mqk:{${queue}}:ready`) === down ? [] : [queue]
    ),
  );
  const served = queues.flat();
  assert.ok(served.length > 0 && served.length < QUEUES.length);
  const jobs = await Promise.all(
    served.map((queue) =>
      client.invoke({ job: "mqk:calculator#sum", queue }, 1, 2)
    ),
  );
  assert.equal(jobs.length, served.length);
});

Deno.test("an idle worker hears of a job on every node at once", async () => {
  await using cluster = await RedisCluster.start();
  await using dir = new TempDir();
  await using _run = await serve(cluster.dsn, dir);
  await using client = connect(cluster.dsn);
  for (const queue of QUEUES) {
    const job = { job: "mqk:calculator#sum" as const, queue };
    const warm = await client.invoke(job, 1, 2);
    await warm.result();
    const tookMs: number[] = [];
    for (let i = 0; i < 9; i++) {
      const startedMs = performance.now();
      const sum = await client.invoke(job, 1, 2);
      await sum.result();
      tookMs.push(performance.now() - startedMs);
    }
    const medianMs = tookMs.sort((a, b) => a - b)[4];
    console.log(`${queue}: ${medianMs.toFixed(1)} ms`);
    // Far below any interval at which one would ask.
    assert.ok(medianMs < 40, `${medianMs} ms`);
  }
});

Deno.test("a job of many queues on a cluster is heard of as well", async () => {
  await using cluster = await RedisCluster.start();
  const queues = Array.from({ length: 12 }, (_, i) => `q${i}`);
  await using _run = await MqkProcess.run(
    cluster.dsn,
    ...["-w", "1", ...queues.flatMap((queue) => ["--queue", queue])],
  );
  await using client = connect(cluster.dsn);
  for (const queue of queues) {
    const job = { job: "mqk:calculator#sum" as const, queue };
    const sum = await client.invoke(job, 1, 2);
    assert.equal(await sum.result({ timeout: 20 }), 3);
  }
});
