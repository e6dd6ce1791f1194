import { join } from "node:path";
import { RedisCluster } from "../tests/harness/redis_cluster.ts";
import { RedisServer } from "../tests/harness/redis_server.ts";
import { TempDir } from "../tests/harness/temp_dir.ts";
import { type Killable, Programs, type SubjectName } from "./programs.ts";
import type {
  DrainAnswer,
  DrainOrder,
  EnqueueAnswer,
  EnqueueOrder,
} from "./subjects/protocol.ts";

/** CPU and memory of the Redis server at a moment. */
export interface RedisUsage {
  readonly cpuMicroseconds: number;
  readonly bytes: number;
}

/** Where all cases are measured: one Redis, one folder, all programs. */
export class Site implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly programs: Programs;
  /** All that runs at this moment. */
  readonly processes: Set<Killable>;
  /** How many jobs, as a share of a full run. */
  readonly scale: number;
  readonly #folders: TempDir;
  readonly #resources: AsyncDisposableStack;
  readonly #clusters = new Map<number, RedisCluster>();
  #folderCount = 0;

  private constructor(
    redis: RedisServer,
    programs: Programs,
    folders: TempDir,
    scale: number,
    resources: AsyncDisposableStack,
  ) {
    this.redis = redis;
    this.programs = programs;
    this.processes = programs.processes;
    this.scale = scale;
    this.#folders = folders;
    this.#resources = resources;
  }

  /** Starts Redis; the peers are installed when the first is needed. */
  static async open(scale: number): Promise<Site> {
    await using resources = new AsyncDisposableStack();
    const redis = resources.use(await RedisServer.start());
    const programs = resources.use(new Programs());
    const folders = resources.use(new TempDir());
    return new Site(redis, programs, folders, scale, resources.move());
  }

  /** A number of jobs, for this run. */
  jobs(count: number): number {
    return Math.max(10, Math.round(count * this.scale));
  }

  /** A new empty folder. */
  folder(): string {
    const path = join(this.#folders.path, String(this.#folderCount++));
    Deno.mkdirSync(path);
    return path;
  }

  /** A Redis Cluster of so many nodes, started when it is first needed. */
  async cluster(nodes: number): Promise<RedisCluster> {
    let cluster = this.#clusters.get(nodes);
    if (cluster === undefined) {
      cluster = this.#resources.use(
        await RedisCluster.start({
          masters: nodes,
          // The usual one; tests of failures have a shorter.
          config: ["--cluster-node-timeout", "15000"],
        }),
      );
      this.#clusters.set(nodes, cluster);
    }
    return cluster;
  }

  /** Forgets what the last measurement left. */
  async clear(): Promise<void> {
    const clusters = [...this.#clusters.values()];
    for (const server of [this.redis, ...clusters.flatMap(({ all }) => all)]) {
      await server.call("FLUSHALL", "SYNC");
      await server.call("CONFIG", "RESETSTAT");
    }
  }

  /** Stores jobs in order to drain them. */
  async fill(
    subject: SubjectName,
    order: Omit<EnqueueOrder, "action" | "mode">,
  ): Promise<EnqueueAnswer> {
    return await this.programs.obey(subject, {
      action: "enqueue",
      mode: "batches",
      ...order,
    });
  }

  /** Starts drains of some processes, and lets them begin together. */
  async drain(
    subject: SubjectName,
    order: Omit<DrainOrder, "action">,
    processes = 1,
  ): Promise<Total> {
    await using stack = new AsyncDisposableStack();
    const running = await Promise.all(
      Array.from(
        { length: processes },
        () => this.programs.start(subject, { action: "drain", ...order }),
      ),
    );
    for (const one of running) stack.use(one);
    await Promise.all(running.map((one) => one.ready()));
    await Promise.all(running.map((one) => one.go()));
    const answers = await Promise.all(running.map((one) => one.answer()));
    return total(answers);
  }

  /** What a server has used so far, and what it holds. */
  async usage(server: RedisServer = this.redis): Promise<RedisUsage> {
    const text = String(await server.call("INFO", "everything"));
    const number = (name: string) =>
      Number(new RegExp(`^${name}:(.*)$`, "m").exec(text)?.[1] ?? NaN);
    return {
      cpuMicroseconds: 1e6 *
        (number("used_cpu_user_main_thread") +
          number("used_cpu_sys_main_thread")),
      // What clients and scripts take is not of the jobs.
      bytes: number("used_memory") - number("mem_clients_normal") -
        number("used_memory_scripts"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** What several processes counted together. */
export interface Total {
  readonly counted: number;
  readonly cpuSeconds: number;
  /** From the first of them to the last. */
  readonly seconds: number;
  readonly firstMs: number;
}

/** Adds up what several processes counted. */
export function total(parts: readonly DrainAnswer[]): Total {
  const ran = parts.filter(({ counted }) => counted > 0);
  const sum = (value: (part: DrainAnswer) => number) =>
    ran.reduce((sum, part) => sum + value(part), 0);
  const firstMs = Math.min(...ran.map((part) => part.firstMs));
  const lastMs = Math.max(...ran.map((part) => part.lastMs));
  return {
    counted: sum((part) => part.counted),
    cpuSeconds: sum((part) => part.cpuSeconds),
    seconds: (lastMs - firstMs) / 1000,
    firstMs,
  };
}
