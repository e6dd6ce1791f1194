import assert from "node:assert/strict";
import { eventually } from "./eventually.ts";

/** Runs a line in a shell, on a terminal of its own, until it is disposed. */
export class Terminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #read: Promise<void>;
  /** How the shell ended. */
  readonly status: Promise<Deno.CommandStatus>;
  /** All that was written to it so far. */
  text = "";
  #ended = false;

  /** Beside the number of the shell in `shell.pid`, its terminal is in `shell.tty`. */
  constructor(cwd: string, line: string) {
    this.#child = new Deno.Command("script", {
      args: [
        "-qec",
        `echo $$ >shell.pid; tty >shell.tty; ${line}`,
        "/dev/null",
      ],
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.status = this.#child.status.then((status) => {
      this.#ended = true;
      return status;
    });
    this.#read = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .pipeTo(
        new WritableStream({ write: (text) => void (this.text += text) }),
      );
  }

  /** Waits until what was written matches. */
  async shows(pattern: RegExp): Promise<void> {
    await eventually(() => assert.match(this.text, pattern), 30_000);
  }

  /** Types something. */
  async press(key: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#input.write(key);
  }

  /** The terminal is gone, as when its window is closed. */
  close(): void {
    this.#child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.status;
    await this.#read;
    await this.#input.close().catch(() => {});
  }
}
