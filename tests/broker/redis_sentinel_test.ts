/**
 * A master, its replicas and their sentinels, through a failover under load.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect, EnqueueUncertainError } from "../../mod.ts";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const MASTER_NAME = "shop";
/** Of promotion, until workers and producers go on. */
const WITHIN_MS = 15_000;

/** Three sentinels that agree when two of them do. */
class Sentinels implements AsyncDisposable {
  readonly dsn: string;
  readonly #folder = new TempDir();
  readonly #processes: Deno.ChildProcess[] = [];

  constructor(master: RedisServer) {
    const ports = [1, 2, 3].map(() => freePort());
    for (const port of ports) {
      const path = this.#folder.write(
        `${port}.conf`,
        `port ${port}
bind 127.0.0.1
dir ${this.#folder.path}
sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 2
sentinel down-after-milliseconds ${MASTER_NAME} 1000
sentinel failover-timeout ${MASTER_NAME} 5000
`,
      );
      this.#processes.push(
        new Deno.Command("redis-server", {
          args: [path, "--sentinel"],
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).spawn(),
      );
    }
    // The first one is away: the next is asked.
    const hosts = [freePort(), ...ports].map((port) => `127.0.0.1:${port}`);
    this.dsn = `redis+sentinel://${hosts}/${MASTER_NAME}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes) process.kill("SIGKILL");
    for (const process of this.#processes) await process.status;
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function isMaster(server: RedisServer): Promise<boolean> {
  const [role] = await server.call("ROLE") as string[];
  return role === "master";
}

const JOBS = `
export function note(n: number) {
  const log = new URL("log.txt", import.meta.url);
  Deno.writeTextFileSync(log, n + "\\n", { append: true });
}`;

for (const how of ["kill", "pause"] as const) {
  Deno.test(`workers and producers follow Sentinel through a failover (${how})`, async () => {
    await using dir = new TempDir();
    dir.write("jobs.ts", JOBS);
    await using master = await RedisServer.start();
    const config = ["--replicaof", "127.0.0.1", String(master.port)];
    await using first = await RedisServer.start({ config });
    await using second = await RedisServer.start({ config });
    await using sentinels = new Sentinels(master);
    // Each of them has found the replicas and the other two.
    await eventually(async () => {
      for (const replica of [first, second]) {
        const text = String(await replica.call("INFO", "replication"));
        assert.match(text, /master_link_status:up/);
      }
    }, 30_000);
    await using client = connect(sentinels.dsn, { replicas: 1 });
    await eventually(() => client.invoke("mqk:calculator#sum", 1, 2), 30_000);
    await using _run = await MqkProcess.run(
      sentinels.dsn,
      ...["--root", dir.path, "-w", "1"],
    );
    const confirmed = new Set<number>();
    let uncertain = 0;
    let n = 0;
    let ends = false;
    const produce = async () => {
      while (!ends) {
        const own = n++;
        try {
          await client.invoke("./jobs.ts#note", own);
          confirmed.add(own);
        } catch (error) {
          if (error instanceof EnqueueUncertainError) uncertain++;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const producers = [produce(), produce()];
    const ran = () =>
      new Set(
        Deno.readTextFileSync(`${dir.path}/log.txt`).trim().split("\n")
          .map(Number),
      );
    await eventually(() => assert.ok(ran().size > 50), 30_000);
    if (how === "kill") await master.kill();
    else master.pause();
    await eventually(async () => {
      assert.ok(await isMaster(first) || await isMaster(second));
    }, 30_000);
    const promotedAtMs = performance.now();
    const before = Math.max(...ran());
    await eventually(
      () => assert.ok(Math.max(...ran()) > before + 20),
      2 * WITHIN_MS,
    );
    console.log(
      `${how}: jobs run ${Math.round(performance.now() - promotedAtMs)} ms ` +
        `after the promotion`,
    );
    if (how === "kill") await master.restart();
    else master.resume();
    await eventually(
      async () => assert.equal(await isMaster(master), false),
      60_000,
    );
    ends = true;
    await Promise.all(producers);
    await eventually(() => {
      const done = ran();
      const missing = [...confirmed].filter((one) => !done.has(one));
      assert.deepEqual(missing, []);
    }, 30_000);
    console.log(`${confirmed.size} confirmed, all ran; ${uncertain} uncertain`);
  });
}

Deno.test("sentinels that know no such master are one clear line", async () => {
  await using master = await RedisServer.start();
  await using sentinels = new Sentinels(master);
  await using client = connect(sentinels.dsn.replace(/shop$/, "shoe"));
  await eventually(() =>
    assert.rejects(
      client.invoke("mqk:calculator#sum", 1, 2),
      /Cannot reach Redis at master shoe of .*: sentinel .* knows no master shoe/,
    ), 30_000);
});
