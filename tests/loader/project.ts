import { type Client, connect } from "../../src/client/client.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** A folder with job modules, and the queues in it. */
export class Project implements AsyncDisposable {
  readonly dir: TempDir;
  readonly client: Client;
  readonly #resources: AsyncDisposableStack;

  private constructor(dir: TempDir, resources: AsyncDisposableStack) {
    this.dir = dir;
    this.#resources = resources;
    this.client = resources.use(connect(`sqlite:${dir.path}/queue.sqlite`));
  }

  /** Makes the folder, with these files. */
  static open(files: Readonly<Record<string, string>>): Project {
    const resources = new AsyncDisposableStack();
    const dir = resources.use(new TempDir());
    const core = import.meta.resolve("../../mod.ts");
    dir.write("deno.json", JSON.stringify({ imports: { "@mqk/core": core } }));
    for (const [name, text] of Object.entries(files)) dir.write(name, text);
    return new Project(dir, resources);
  }

  /** Starts one worker for it, ended with the project. */
  async run(
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<MqkProcess> {
    const dsn = `sqlite:${this.dir.path}/queue.sqlite`;
    const cache = { MQK_CACHE_DIR: `${this.dir.path}/.cache` };
    const mqk = MqkProcess.start(
      ["-s", dsn, "-w", "1", ...args],
      this.dir.path,
      { ...cache, ...env },
    );
    this.#resources.use(mqk);
    await mqk.ready();
    return mqk;
  }

  /** Runs a job and answers with its result. */
  async call(job: string, ...args: unknown[]): Promise<unknown> {
    const sent = await this.client.invoke({ job, retries: 0 }, ...args);
    return await sent.result({ timeout: 60 });
  }

  /** Runs a job that fails and answers with its error. */
  async failing(job: string, ...args: unknown[]): Promise<Error> {
    try {
      await this.call(job, ...args);
    } catch (error) {
      return (error as Error).cause as Error;
    }
    throw new Error(`${job} did not fail`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
