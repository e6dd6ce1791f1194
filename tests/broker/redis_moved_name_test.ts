/**
 * The name of the server in a DSN comes to mean another address.
 *
 * @module
 */
import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { OwnHosts } from "../harness/own_hosts.ts";
import { Proxy } from "../harness/proxy.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

const NAME = "redis.test";
/** Of the change, until workers and producers are at the new address. */
const WITHIN_MS = 15_000;
const JOBS = `
export function note(n: number) {
  const log = new URL("log.txt", import.meta.url);
  Deno.writeTextFileSync(log, n + "\\n", { append: true });
}`;
/** One process and one client for all jobs; a line says that one is stored. */
const PRODUCER = `
import { connect } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
await using client = connect(Deno.args[0]);
for (let n = 0;; n++) {
  try {
    await client.invoke("./jobs.ts#note", n);
    console.log(n);
  } catch (error) {
    console.error(String(error));
  }
  await new Promise((done) => setTimeout(done, 20));
}`;

/** A process that sends numbered jobs, by a hosts file of its own. */
class Producer implements AsyncDisposable {
  /** Numbers of jobs that are stored. */
  readonly confirmed: number[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>;

  constructor(dsn: string, dir: TempDir, hosts: OwnHosts) {
    const script = dir.write("producer.ts", PRODUCER);
    const [program, ...args] = [
      ...hosts.prefix,
      ...[Deno.execPath(), "run", "--quiet", "--allow-all", script, dsn],
    ];
    this.#child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#read = this.#hear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#read;
  }

  async #hear(): Promise<void> {
    let rest = "";
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      this.confirmed.push(...lines.map(Number));
    }
  }
}

function ran(dir: TempDir): Set<number> {
  const text = Deno.readTextFileSync(`${dir.path}/log.txt`);
  return new Set(text.split("\n").filter((line) => line !== "").map(Number));
}

const WAYS = ["dies", "vanishes", "becomes a replica"] as const;
for (const how of WAYS) {
  Deno.test({
    name: `who is connected by name follows it when its server ${how}`,
    // A container must let its root mount, or the kernel anybody.
    ignore: !OwnHosts.possible,
    async fn() {
      await using dir = new TempDir();
      dir.write("jobs.ts", JOBS);
      dir.write("log.txt", "");
      await using old = await RedisServer.start();
      await using next = await RedisServer.start({
        config: ["--replicaof", "127.0.0.1", String(old.port)],
      });
      await eventually(async () => {
        const text = String(await next.call("INFO", "replication"));
        assert.match(text, /master_link_status:up/);
      });
      // A name has no port: both addresses have the same.
      const port = freePort();
      await using toOld = new Proxy(old.port, { hostname: "127.0.0.2", port });
      await using _ = new Proxy(next.port, { hostname: "127.0.0.3", port });
      const hosts = new OwnHosts(dir);
      hosts.set(NAME, "127.0.0.2");
      const dsn = `redis://${NAME}:${port}`;
      await using mqk = MqkProcess.command(
        ["run", "-s", dsn, "--root", dir.path, "-w", "1"],
        undefined,
        {},
        hosts.prefix,
      );
      await mqk.ready();
      const workers = mqk.workerPids;
      await using producer = new Producer(dsn, dir, hosts);
      await eventually(() => assert.ok(ran(dir).size > 50), 30_000);

      if (how === "becomes a replica") {
        await old.call("FAILOVER", "TO", "127.0.0.1", next.port);
        await eventually(async () =>
          assert.equal((await next.call("ROLE") as string[])[0], "master")
        );
      } else {
        if (how === "dies") await old.kill();
        else toOld.cut("lost");
        await next.call("REPLICAOF", "NO", "ONE");
      }
      const { length } = producer.confirmed;
      hosts.set(NAME, "127.0.0.3");
      const movedAtMs = performance.now();
      const first = await eventually(() => {
        const one = producer.confirmed[length];
        assert.ok(ran(dir).has(one));
        return one;
      }, 2 * WITHIN_MS);
      const tookMs = Math.round(performance.now() - movedAtMs);
      console.log(`${how}: a new job had run ${tookMs} ms after the move`);
      assert.ok(tookMs < WITHIN_MS, `${tookMs} ms`);
      assert.deepEqual(mqk.workerPids, workers, "the worker was replaced");
      // What only the old server knew is lost, unless it handed over.
      const sure = how === "becomes a replica" ? 0 : first;
      const last = await eventually(() => {
        const one = producer.confirmed[length + 50];
        assert.ok(one !== undefined);
        return one;
      });
      await eventually(() => {
        const done = ran(dir);
        const missing = producer.confirmed
          .filter((n) => sure <= n && n <= last && !done.has(n));
        assert.deepEqual(missing, []);
      });
    },
  });
}
