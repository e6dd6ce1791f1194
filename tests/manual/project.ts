import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../harness/eventually.ts";
import { collectLines } from "../harness/mqk_process.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What the manual calls its Redis. */
const DOCUMENTED_REDIS = "redis://127.0.0.1:6379";
/** And where it serves metrics. */
const DOCUMENTED_METRICS = "127.0.0.1:9090";

/** How a command ended. */
export interface CommandEnd {
  readonly code: number;
  readonly output: string;
}

interface Background {
  readonly child: Deno.ChildProcess;
  readonly lines: string[];
  readonly read: Promise<void>;
}

/**
 * A machine as the manual's reader has it: a clone in `mqk`, a folder of their
 * own in `app`, an empty home, and, when it is first named, a Redis.
 */
export class ReaderProject implements AsyncDisposable {
  readonly #folder = new TempDir();
  readonly #background: Background[] = [];
  readonly #metrics = `127.0.0.1:${freePort()}`;
  #redis: Promise<RedisServer> | undefined;

  constructor() {
    const { path } = this.#folder;
    Deno.symlinkSync(ROOT, join(path, "mqk"));
    Deno.mkdirSync(join(path, "app"));
    // The Deno that runs the test is the one that `deno` means.
    Deno.mkdirSync(join(path, "bin"));
    Deno.symlinkSync(Deno.execPath(), join(path, "bin", "deno"));
  }

  /** The folder of a name: `app` or `mqk`. */
  path(name: string): string {
    return join(this.#folder.path, name);
  }

  /** Writes a file into `app`. */
  write(name: string, text: string): void {
    this.#folder.write(join("app", name), text);
  }

  /** Runs lines of shell; the first one that fails ends it. */
  async run(script: string, folder = "app"): Promise<CommandEnd> {
    const { code, stdout, stderr } = await (await this.#shell(script, folder))
      .output();
    const decoder = new TextDecoder();
    return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
  }

  /** Starts `mqk run ...` and waits until a worker is ready. */
  async start(script: string): Promise<readonly string[]> {
    const child = (await this.#shell(`exec ${script}`, "app")).spawn();
    const lines: string[] = [];
    const read = Promise.all([
      collectLines(child.stdout, lines),
      collectLines(child.stderr, lines),
    ]).then(() => {});
    this.#background.push({ child, lines, read });
    await eventually(() => {
      assert.match(lines.join("\n"), /Master work on/, script);
    }, 20_000);
    return lines;
  }

  /** Ends all that `start` started, last first. */
  async stop(): Promise<void> {
    for (const { child, read } of this.#background.splice(0).reverse()) {
      child.kill("SIGTERM");
      const { code } = await child.status;
      await read;
      assert.equal(code, 0, "mqk run, told to stop");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await (await this.#redis)?.[Symbol.asyncDispose]();
      await this.#folder[Symbol.asyncDispose]();
    }
  }

  async #shell(script: string, folder: string): Promise<Deno.Command> {
    if (script.includes(DOCUMENTED_REDIS)) {
      const { dsn } = await (this.#redis ??= RedisServer.start());
      script = script.replaceAll(DOCUMENTED_REDIS, dsn);
    }
    script = script.replaceAll(DOCUMENTED_METRICS, this.#metrics);
    const home = this.path("home");
    return new Deno.Command("bash", {
      args: ["-euc", script],
      cwd: this.path(folder),
      env: {
        PATH: `${join(home, "bin")}:${this.path("bin")}:${
          Deno.env.get("PATH")
        }`,
        DENO_INSTALL_ROOT: home,
        DENO_NO_UPDATE_CHECK: "1",
        MQK_DSN: "",
        NO_COLOR: "1",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }
}
