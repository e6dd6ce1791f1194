import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";

/** A test whose program does not end is red, not endless. */
const END_WITHIN_MS = 300_000;

/** How a program ended. */
export interface MqkEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program's entry, for commands that a shell runs. */
export const CLI: string = fileURLToPath(import.meta.resolve("../../cli.ts"));

/** The compiled program, to be tested in place of `deno run cli.ts`. */
const COMPILED: string | undefined = Deno.env.get("MQK_TEST_PROGRAM");

/** Variables of a process, besides those of the test. */
type Env = Readonly<Record<string, string>>;

function command(
  args: readonly string[],
  cwd?: string,
  env: Env = {},
  prefix: readonly string[] = [],
): Deno.Command {
  const own = ["run", "--quiet", "--allow-all", CLI];
  const [program, ...rest] = [
    ...prefix,
    ...COMPILED === undefined ? [Deno.execPath(), ...own] : [COMPILED],
    ...args,
  ];
  return new Deno.Command(program, {
    args: rest,
    cwd,
    env: { MQK_DSN: "", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs `mqk` with these arguments until it ends. */
export async function mqk(
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<MqkEnd> {
  const { code, stdout, stderr } = await command(args, options.cwd).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** A running command, ended with all its workers when it is disposed. */
export class MqkProcess implements AsyncDisposable {
  /** Number of the master. */
  readonly pid: number;
  /** Lines of stderr so far, without line ends. */
  readonly stderr: string[] = [];
  /** Lines of stdout so far: what jobs print. */
  readonly stdout: string[] = [];
  /** Resolves when the master has ended. */
  readonly status: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  #ended = false;

  private constructor(...how: Parameters<typeof command>) {
    this.#child = command(...how).spawn();
    this.pid = this.#child.pid;
    this.#read = Promise.all([
      collectLines(this.#child.stderr, this.stderr),
      collectLines(this.#child.stdout, this.stdout),
    ]);
    this.status = this.#child.status.then((status) => {
      this.#ended = true;
      return status;
    });
  }

  /** Starts `mqk run -s <dsn> <args>` and waits until a worker is ready. */
  static async run(dsn: string, ...args: string[]): Promise<MqkProcess> {
    const mqk = MqkProcess.start(["-s", dsn, ...args]);
    await mqk.ready();
    return mqk;
  }

  /** Starts `mqk run <args>` in a folder and waits until a worker is ready. */
  static async in(cwd: string, ...args: string[]): Promise<MqkProcess> {
    const mqk = MqkProcess.start(args, cwd);
    await mqk.ready();
    return mqk;
  }

  /** Starts `mqk run <args>` and waits for nothing. */
  static start(args: readonly string[], cwd?: string, env?: Env): MqkProcess {
    return MqkProcess.command(["run", ...args], cwd, env);
  }

  /**
   * Starts any command and waits for nothing.
   *
   * @param prefix What it is started by, which must become this command.
   */
  static command(
    args: readonly string[],
    cwd?: string,
    env?: Env,
    prefix?: readonly string[],
  ): MqkProcess {
    return new MqkProcess(args, cwd, env, prefix);
  }

  /** Waits until a worker is ready; needs the notices (no `--quiet`). */
  async ready(): Promise<void> {
    await eventually(() => {
      assert.ok(!this.#ended, `mqk run ended:\n${this.stderr.join("\n")}`);
      assert.ok(this.stderr.some((line) => /Master work on /.test(line)));
    }, 30_000);
  }

  /** Numbers of the worker processes that live now, oldest first. */
  get workerPids(): number[] {
    return childrenOf(this.pid);
  }

  /** Sends a signal to the master. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for its end, for some minutes at most, and answers with its code. */
  async exitCode(): Promise<number> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const lines = this.stderr.slice(-20).join("\n");
      reject(new assert.AssertionError({ message: `It runs on:\n${lines}` }));
    }, END_WITHIN_MS);
    try {
      const { code } = await Promise.race([this.status, promise]);
      await this.#read;
      return code;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const workers = this.#ended ? [] : this.workerPids;
    if (!this.#ended) kill(this.pid, "SIGQUIT");
    const timer = setTimeout(() => {
      for (const pid of [this.pid, ...workers]) kill(pid, "SIGKILL");
    }, 8000);
    await this.status;
    clearTimeout(timer);
    await this.#read;
  }
}

/** Appends the lines of a stream, as they come. */
export async function collectLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  lines: string[],
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + text).split("\n");
    rest = whole.pop()!;
    lines.push(...whole);
  }
  if (rest !== "") lines.push(rest);
}

/** The children of all threads of a process, by their numbers. */
function childrenOf(pid: number): number[] {
  const { stdout } = new Deno.Command("ps", {
    args: ["-o", "pid=", "--ppid", String(pid)],
  }).outputSync();
  return new TextDecoder().decode(stdout).split("\n")
    .filter((line) => line.trim() !== "").map(Number);
}

function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
