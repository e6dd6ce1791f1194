import assert from "node:assert/strict";
import calculateSlot from "npm:cluster-key-slot@1.1.2";
import { eventually } from "./eventually.ts";
import { RedisServer } from "./redis_server.ts";

const SLOTS = 16_384;

/** Masters, each with as many replicas, that form a cluster of one test. */
export class RedisCluster implements AsyncDisposable {
  readonly masters: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];
  readonly #added: RedisServer[] = [];

  private constructor(
    masters: readonly RedisServer[],
    replicas: readonly RedisServer[],
  ) {
    this.masters = masters;
    this.replicas = replicas;
  }

  /** Starts the servers, and waits until they agree. */
  static async start(
    { masters = 3, replicas = 0, password, config }: {
      readonly masters?: number;
      readonly replicas?: number;
      readonly password?: string;
      readonly config?: readonly string[];
    } = {},
  ): Promise<RedisCluster> {
    await using resources = new AsyncDisposableStack();
    const start = async () =>
      resources.use(
        await RedisServer.start({ cluster: true, password, config }),
      );
    const all: RedisServer[] = [];
    for (let i = 0; i < masters * (1 + replicas); i++) all.push(await start());
    const cluster = new RedisCluster(
      all.slice(0, masters),
      all.slice(masters),
    );
    await cluster.#form();
    resources.move();
    return cluster;
  }

  get all(): RedisServer[] {
    return [...this.masters, ...this.replicas, ...this.#added];
  }

  /** `redis+cluster://...` with up to two nodes; they know the others. */
  get dsn(): string {
    const [first, ...others] = this.masters.slice(0, 2);
    return [first.dsn, ...others.map(({ port }) => `127.0.0.1:${port}`)]
      .join(",").replace("redis:", "redis+cluster:");
  }

  /** The node that serves a key now, asked of one that is up. */
  async masterOf(key: string): Promise<RedisServer> {
    const slot = calculateSlot(key);
    for (const asked of this.all) {
      try {
        const ranges = await asked.call("CLUSTER", "SLOTS") as [
          number,
          number,
          [string, number],
        ][];
        const range = ranges.find(([a, b]) => a <= slot && slot <= b);
        const port = range?.[2][1];
        const found = this.all.find((server) => server.port === port);
        if (found !== undefined) return found;
      } catch {
        // It is down: the next one is asked.
      }
    }
    throw new Error(`No node serves ${key}`);
  }

  /** Sends one command to the node of a key. */
  async call(key: string, ...args: (string | number)[]): Promise<unknown> {
    return await (await this.masterOf(key)).call(...args);
  }

  /** Moves the slot of a key, key by key, as `redis-cli --cluster` does. */
  async move(key: string, to: RedisServer): Promise<void> {
    const slot = calculateSlot(key);
    const from = await this.masterOf(key);
    const [fromId, toId] = await Promise.all([from, to].map(idOf));
    await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    for (;;) {
      const keys = await from
        .call("CLUSTER", "GETKEYSINSLOT", slot, 5) as string[];
      if (keys.length === 0) break;
      await from.call(
        ...["MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS"],
        ...keys,
      );
    }
    for (const server of [to, from, ...this.masters]) {
      try {
        await server.call("CLUSTER", "SETSLOT", slot, "NODE", toId);
      } catch (error) {
        // Without its last slot a node becomes a replica, perhaps before this.
        if (!/only with masters/.test((error as Error).message)) throw error;
      }
    }
  }

  /** Starts a node more, which serves no slots; it belongs to the caller. */
  async add(): Promise<RedisServer> {
    const server = await RedisServer.start({ cluster: true });
    const { port, busPort } = server;
    await this.masters[0].call("CLUSTER", "MEET", "127.0.0.1", port, busPort);
    this.#added.push(server);
    await eventually(async () => {
      for (const each of [server, ...this.masters]) {
        const nodes = String(await each.call("CLUSTER", "NODES"));
        assert.equal(nodes.trim().split("\n").length, this.all.length);
        assert.ok(!/handshake/.test(nodes));
      }
      const info = String(await server.call("CLUSTER", "INFO"));
      assert.match(info, /cluster_state:ok/);
    }, 30_000);
    return server;
  }

  /** Takes a node out that serves no slots, and ends it. */
  async remove(server: RedisServer): Promise<void> {
    const id = await idOf(server);
    this.#added.splice(this.#added.indexOf(server), 1);
    for (const each of this.all) await each.call("CLUSTER", "FORGET", id);
    await server.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.all) await server[Symbol.asyncDispose]();
  }

  async #form(): Promise<void> {
    const [first, ...others] = this.all;
    const share = Math.ceil(SLOTS / this.masters.length);
    for (const [i, server] of this.masters.entries()) {
      const last = Math.min(SLOTS, (i + 1) * share) - 1;
      await server.call("CLUSTER", "ADDSLOTSRANGE", i * share, last);
    }
    for (const [i, server] of this.all.entries()) {
      await server.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
    }
    for (const { port, busPort } of others) {
      await first.call("CLUSTER", "MEET", "127.0.0.1", port, busPort);
    }
    await eventually(async () => {
      for (const server of this.all) {
        const nodes = String(await server.call("CLUSTER", "NODES"));
        const known = nodes.trim().split("\n");
        assert.equal(known.length, this.all.length);
        assert.ok(!/handshake|fail/.test(nodes), nodes);
      }
    }, 30_000);
    for (const [i, replica] of this.replicas.entries()) {
      const master = this.masters[i % this.masters.length];
      await replica.call("CLUSTER", "REPLICATE", await idOf(master));
    }
    await eventually(async () => {
      for (const server of this.all) {
        const info = String(await server.call("CLUSTER", "INFO"));
        assert.match(info, /cluster_state:ok/);
      }
      for (const replica of this.replicas) {
        const text = String(await replica.call("INFO", "replication"));
        assert.match(text, /master_link_status:up/);
      }
    }, 30_000);
  }
}

async function idOf(server: RedisServer): Promise<string> {
  return String(await server.call("CLUSTER", "MYID"));
}
