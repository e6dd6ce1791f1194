import assert from "node:assert/strict";
import { type Client, connect } from "../../src/client/client.ts";
import { JobFailedError } from "../../src/errors.ts";
import type { JobSpec } from "../../src/job/policy.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** How a way out ended. */
export interface Attempt {
  /** What the job returned, if it got through. */
  readonly got?: unknown;
  /** Message of the error that it failed with. */
  readonly refused?: string;
  /** Attempts that were charged. */
  readonly attempts?: number;
}

/**
 * A folder with a project in `root/` and a secret beside it, a broker, and one
 * `mqk run` in a sandbox.
 */
export class Scene implements AsyncDisposable {
  readonly dir: TempDir;
  readonly root: string;
  readonly client: Client;
  readonly mqk: MqkProcess;
  /** Of the broker; one where nobody listens, if it has none. */
  readonly port: number;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    dir: TempDir,
    client: Client,
    mqk: MqkProcess,
    port: number,
    resources: AsyncDisposableStack,
  ) {
    this.dir = dir;
    this.root = `${dir.path}/root`;
    this.client = client;
    this.mqk = mqk;
    this.port = port;
    this.#resources = resources;
  }

  /** Starts all; `files` lie in the folder, `flags` are those of the sandbox. */
  static async open(
    { broker = "sqlite", files, flags }: {
      readonly broker?: "redis" | "sqlite";
      readonly files: Readonly<Record<string, string>>;
      readonly flags: readonly string[];
    },
  ): Promise<Scene> {
    await using resources = new AsyncDisposableStack();
    const dir = resources.use(new TempDir());
    const core = import.meta.resolve("../../mod.ts");
    dir.write(
      "root/deno.json",
      JSON.stringify({ imports: { "@mqk/core": core } }),
    );
    for (const [name, text] of Object.entries(files)) dir.write(name, text);
    const root = `${dir.path}/root`;
    const redis = broker === "redis"
      ? resources.use(await RedisServer.start({ password: "s3cret" }))
      : undefined;
    const dsn = redis?.dsn ?? `sqlite:${root}/.mqk/queue.sqlite`;
    if (redis === undefined) Deno.mkdirSync(`${root}/.mqk`);
    const client = resources.use(connect(dsn));
    const mqk = resources.use(
      await MqkProcess.in(root, "-s", dsn, "-w", "1", ...flags),
    );
    return new Scene(
      dir,
      client,
      mqk,
      redis?.port ?? freePort(),
      resources.move(),
    );
  }

  /** Runs one job, and tells how it ended. */
  async run(job: string | JobSpec, ...args: unknown[]): Promise<Attempt> {
    const spec = typeof job === "string" ? { job, retries: 2 } : job;
    const sent = await this.client.invoke(spec, ...args);
    try {
      return { got: await sent.result({ timeout: 30 }) };
    } catch (error) {
      assert.ok(error instanceof JobFailedError, String(error));
      const { cause, attempts } = error;
      return { refused: (cause as Error).message, attempts };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** The job was refused at its first attempt, and told how to allow it. */
export function assertRefused(attempt: Attempt, message: RegExp): void {
  const told = JSON.stringify(attempt);
  assert.equal(attempt.got, undefined, told);
  assert.match(attempt.refused ?? "", message, told);
  assert.equal(attempt.attempts, 1, told);
}
