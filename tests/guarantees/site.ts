import assert from "node:assert/strict";
import { type Client, connect } from "../../src/client/client.ts";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** Which broker a site has. */
export type BrokerKind = "redis" | "sqlite";

/** How a test wants its site. */
export interface SiteOptions {
  /** Redis survives a kill. */
  readonly aof?: boolean;
  /** Settings of Redis as on its command line. */
  readonly config?: readonly string[];
  /** Variables of Redis and of the programs, not of the client. */
  readonly env?: Readonly<Record<string, string>>;
}

/** One project with its jobs, one broker, and the programs on both. */
export class Site implements AsyncDisposable {
  readonly dir: TempDir;
  readonly dsn: string;
  readonly redis: RedisServer | undefined;
  readonly client: Client;
  readonly #options: SiteOptions;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    dir: TempDir,
    dsn: string,
    redis: RedisServer | undefined,
    options: SiteOptions,
    resources: AsyncDisposableStack,
  ) {
    this.#options = options;
    this.dir = dir;
    this.dsn = dsn;
    this.redis = redis;
    this.#resources = resources;
    this.client = resources.use(connect(dsn));
  }

  /** A folder with `jobs.ts`, and a store. */
  static async open(
    kind: BrokerKind,
    jobs: string,
    options: SiteOptions = {},
  ): Promise<Site> {
    await using resources = new AsyncDisposableStack();
    const dir = resources.use(new TempDir());
    const core = import.meta.resolve("../../mod.ts");
    dir.write("deno.json", JSON.stringify({ imports: { "@mqk/core": core } }));
    dir.write("jobs.ts", HEAD + jobs);
    const redis = kind === "redis"
      ? resources.use(await RedisServer.start(options))
      : undefined;
    const dsn = redis?.dsn ?? `sqlite:${dir.path}/queue.sqlite`;
    return new Site(dir, dsn, redis, options, resources.move());
  }

  /** Starts `mqk run` on this site and waits until a worker is ready. */
  async run(...args: string[]): Promise<MqkProcess> {
    return await this.runOn(this.dsn, ...args);
  }

  /** Like {@linkcode run}, with another way to the store. */
  async runOn(dsn: string, ...args: string[]): Promise<MqkProcess> {
    const mqk = this.#resources.use(
      MqkProcess.start(
        ["-s", dsn, ...args],
        this.dir.path,
        this.#options.env,
      ),
    );
    await mqk.ready();
    return mqk;
  }

  /** Waits until so many workers serve on Redis; answers with their numbers. */
  async serving(mqk: MqkProcess, count: number): Promise<number[]> {
    const redis = this.redis!;
    return await eventually(async () => {
      const records = await redis.call("KEYS", "mqk:worker:*") as string[];
      const pids = await Promise.all(
        records.map((key) => redis.call("HGET", key, "pid")),
      );
      const workers = mqk.workerPids;
      assert.equal(workers.length, count);
      for (const pid of workers) assert.ok(pids.includes(String(pid)));
      return workers;
    }, 60_000);
  }

  /** `id attempt` of each line that jobs wrote with `ran()`, in their order. */
  lines(): { id: string; attempt: number }[] {
    let text: string;
    try {
      text = Deno.readTextFileSync(`${this.dir.path}/ran.txt`);
    } catch {
      return [];
    }
    return text.split("\n").filter((line) => line !== "").map((line) => {
      const [id, attempt] = line.split(" ");
      return { id, attempt: Number(attempt) };
    });
  }

  /** How often each job has started. */
  starts(): Map<string, number> {
    const starts = new Map<string, number>();
    for (const { id } of this.lines()) {
      starts.set(id, (starts.get(id) ?? 0) + 1);
    }
    return starts;
  }

  /** All these ran; answers how many starts there were beyond one each. */
  repeats(ids: readonly string[]): number {
    const starts = this.starts();
    const missing = ids.filter((id) => !starts.has(id));
    assert.equal(missing.length, 0, `${missing.length} jobs never ran`);
    return this.lines().length - ids.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** What every job module begins with. */
const HEAD = `
import { currentJob } from "@mqk/core";
const file = Deno.openSync("ran.txt", { append: true, create: true });
export function ran(): void {
  const { id, attempt } = currentJob();
  file.writeSync(new TextEncoder().encode(id + " " + attempt + "\\n"));
}
export const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));
`;
