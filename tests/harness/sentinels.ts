import assert from "node:assert/strict";
import { eventually } from "./eventually.ts";
import { callOnce, freePort, RedisServer } from "./redis_server.ts";
import { TempDir } from "./temp_dir.ts";

/** How the sentinels know the master. */
export const MASTER_NAME = "shop";
/** As whom sentinels and replicas come, so that they can be kept out. */
const PEERS = ["sentinel", "replica"];
/** Of all users: without one, whoever is kept out would still be a guest. */
const PASSWORD = "secret";

/** How a test wants its sentinels. */
export interface SentinelsOptions {
  /** Default 2. */
  readonly replicas?: number;
  /** After so much silence a server counts as down. Default 1 s. */
  readonly downAfterMs?: number;
}

/** A master, its replicas, and three sentinels that agree when two of them do. */
export class Sentinels implements AsyncDisposable {
  /** `redis+sentinel://...` with all three. */
  readonly dsn: string;
  /** The server that was the master at first. */
  readonly master: RedisServer;
  readonly replicas: readonly RedisServer[];
  readonly #downAfterMs: number;
  readonly #ports: readonly number[];
  readonly #folder = new TempDir();
  readonly #processes: Deno.ChildProcess[] = [];

  private constructor(
    master: RedisServer,
    replicas: readonly RedisServer[],
    downAfterMs: number,
  ) {
    this.master = master;
    this.replicas = replicas;
    this.#downAfterMs = downAfterMs;
    this.#ports = [1, 2, 3].map(() => freePort());
    const hosts = this.#ports.map((port) => `127.0.0.1:${port}`);
    this.dsn = `redis+sentinel://:${PASSWORD}@${hosts}/${MASTER_NAME}`;
  }

  /** Starts all, and waits until they know of each other. */
  static async start(
    { replicas = 2, downAfterMs = 1000 }: SentinelsOptions = {},
  ): Promise<Sentinels> {
    await using resources = new AsyncDisposableStack();
    const peers = PEERS.flatMap((name) => [
      ...["--user", name, "on", `>${PASSWORD}`, "~*", "&*", "+@all"],
    ]);
    const start = async (...own: string[]) => {
      const auth = ["--masteruser", "replica", "--masterauth", PASSWORD];
      const config = [...peers, ...auth, ...own];
      return resources.use(
        await RedisServer.start({ config, password: PASSWORD }),
      );
    };
    const master = await start();
    const others: RedisServer[] = [];
    while (others.length < replicas) {
      others.push(
        await start("--replicaof", "127.0.0.1", String(master.port)),
      );
    }
    const sentinels = new Sentinels(master, others, downAfterMs);
    resources.adopt(sentinels, (each) => each.#end());
    await sentinels.#agree();
    resources.move();
    return sentinels;
  }

  /** Master and replicas, whoever is the master now. */
  get servers(): RedisServer[] {
    return [this.master, ...this.replicas];
  }

  /** Whether a server believes that it is a master. */
  async isMaster(server: RedisServer): Promise<boolean> {
    // One that becomes a replica ends all connections.
    const [role] = await eventually(() => server.call("ROLE")) as string[];
    return role === "master";
  }

  /** The replica that has become a master. */
  async promoted(): Promise<RedisServer> {
    return await eventually(async () => {
      for (const replica of this.replicas) {
        if (await this.isMaster(replica)) return replica;
      }
      throw new Error("no replica was promoted");
    }, 30_000);
  }

  /** Keeps sentinels and replicas from a server; others still reach it. */
  async cutOff(server: RedisServer): Promise<void> {
    for (const name of PEERS) {
      await server.call("ACL", "SETUSER", name, "off");
      await server.call("CLIENT", "KILL", "USER", name);
    }
  }

  /** Ends a {@linkcode cutOff}. */
  async rejoin(server: RedisServer): Promise<void> {
    for (const name of PEERS) await server.call("ACL", "SETUSER", name, "on");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    for (const server of this.servers) await server[Symbol.asyncDispose]();
  }

  async #agree(): Promise<void> {
    await eventually(async () => {
      for (const replica of this.replicas) {
        const text = String(await replica.call("INFO", "replication"));
        assert.match(text, /master_link_status:up/);
      }
    }, 30_000);
    for (const port of this.#ports) this.#watch(port);
    await eventually(async () => {
      const answers = await Promise.all(this.#ports.map(askForMaster));
      for (const fields of answers) {
        assert.equal(fields.get("num-slaves"), String(this.replicas.length));
        assert.equal(fields.get("num-other-sentinels"), "2");
        assert.equal(fields.get("flags"), "master");
      }
    }, 30_000);
  }

  #watch(port: number): void {
    const path = this.#folder.write(
      `${port}.conf`,
      `port ${port}
bind 127.0.0.1
dir ${this.#folder.path}
sentinel monitor ${MASTER_NAME} 127.0.0.1 ${this.master.port} 2
sentinel auth-user ${MASTER_NAME} sentinel
sentinel auth-pass ${MASTER_NAME} ${PASSWORD}
sentinel down-after-milliseconds ${MASTER_NAME} ${this.#downAfterMs}
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

  async #end(): Promise<void> {
    for (const process of this.#processes) process.kill("SIGKILL");
    for (const process of this.#processes) await process.status;
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** What a sentinel knows of the master. */
async function askForMaster(port: number): Promise<Map<string, string>> {
  const fields = await callOnce(
    port,
    ...["SENTINEL", "MASTER", MASTER_NAME],
  ) as string[];
  return new Map(
    fields.flatMap((name, i) => i % 2 === 0 ? [[name, fields[i + 1]]] : []),
  );
}
