import assert from "node:assert/strict";
import { type Client, connect } from "../../src/client/client.ts";
import type { JobFailedError } from "../../src/errors.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
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
  readonly #resources: AsyncDisposableStack;

  private constructor(
    dir: TempDir,
    client: Client,
    mqk: MqkProcess,
    resources: AsyncDisposableStack,
  ) {
    this.dir = dir;
    this.root = `${dir.path}/root`;
    this.client = client;
    this.mqk = mqk;
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
    const dsn = broker === "sqlite"
      ? `sqlite:${root}/.mqk/queue.sqlite`
      : resources.use(await RedisServer.start({ password: "s3cret" })).dsn;
    if (broker === "sqlite") Deno.mkdirSync(`${root}/.mqk`);
    const client = resources.use(connect(dsn));
    const mqk = resources.use(
      await MqkProcess.in(root, "-s", dsn, "-w", "1", ...flags),
    );
    return new Scene(dir, client, mqk, resources.move());
  }

  /** Runs one job, and tells how it ended. */
  async run(job: string, ...args: unknown[]): Promise<Attempt> {
    const { JobFailedError } = await import("../../src/errors.ts");
    const sent = await this.client.invoke({ job, retries: 2 }, ...args);
    try {
      return { got: await sent.result({ timeout: 30 }) };
    } catch (error) {
      assert.ok(error instanceof JobFailedError, String(error));
      const { cause, attempts } = error as JobFailedError;
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
