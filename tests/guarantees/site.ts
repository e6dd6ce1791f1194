import assert from "node:assert/strict";
import { type Client, connect } from "../../src/client/client.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** Which broker a site has. */
export type BrokerKind = "redis" | "sqlite";

/** One project with its jobs, one broker, and the programs on both. */
export class Site implements AsyncDisposable {
  readonly dir: TempDir;
  readonly dsn: string;
  readonly redis: RedisServer | undefined;
  readonly client: Client;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    dir: TempDir,
    dsn: string,
    redis: RedisServer | undefined,
    resources: AsyncDisposableStack,
  ) {
    this.dir = dir;
    this.dsn = dsn;
    this.redis = redis;
    this.#resources = resources;
    this.client = resources.use(connect(dsn));
  }

  /** A folder with `jobs.ts` and a store; with `aof` Redis survives a kill. */
  static async open(
    kind: BrokerKind,
    jobs: string,
    options: { readonly aof?: boolean; readonly config?: string[] } = {},
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
    return new Site(dir, dsn, redis, resources.move());
  }

  /** Starts `mqk run` on this site and waits until a worker is ready. */
  async run(...args: string[]): Promise<MqkProcess> {
    const mqk = await MqkProcess.in(this.dir.path, "-s", this.dsn, ...args);
    return this.#resources.use(mqk);
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
    assert.deepEqual(missing, [], `${missing.length} jobs never ran`);
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
