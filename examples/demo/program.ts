import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(import.meta.resolve("../../cli.ts"));

/** A compiled program that is to be tested in its place. */
const COMPILED: string | undefined = Deno.env.get("MQK_TEST_PROGRAM");

function command(
  args: readonly string[],
  options: Deno.CommandOptions,
): Deno.Command {
  const own = ["run", "--quiet", "--allow-all", CLI];
  return new Deno.Command(COMPILED ?? Deno.execPath(), {
    ...options,
    args: COMPILED === undefined ? [...own, ...args] : [...args],
    stdin: "null",
  });
}

/** Runs `mqk` until it ends; answers with its exit code and what it printed. */
export async function mqk(
  ...args: string[]
): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await command(args, { stderr: "inherit" }).output();
  return { code, stdout: new TextDecoder().decode(stdout).trimEnd() };
}

/** A running `mqk run`; it is told to stop when it is disposed. */
export class RunningMqk implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>;

  /** `heard` is called with each line that it logs. */
  constructor(args: readonly string[], heard: (line: string) => void) {
    this.#child = command(["run", ...args], { stderr: "piped" }).spawn();
    this.#read = readLines(this.#child.stderr, heard);
    this.ended = this.#child.status.then(async ({ code }) => {
      await this.#read;
      return code;
    });
  }

  /** Its exit code. */
  readonly ended: Promise<number>;

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended already.
    }
    await this.ended;
  }
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  heard: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) heard(line);
  }
}
