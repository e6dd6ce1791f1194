/**
 * A terminal that shows one page which is drawn again and again, and hears
 * keys. Whatever ends it, the terminal is as it was before.
 *
 * @module
 */

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
/** A terminal that knows these shows what is between them at once. */
const BEGIN = "\x1b[?2026h";
const END = "\x1b[?2026l";
const REVERSE = "\x1b[7m";
const PLAIN = "\x1b[0m";

/** Ends a program as a rule; the page is taken away before. */
const ENDING: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** A line of a page. */
export interface Line {
  readonly text: string;
  /** A heading: dark on light. */
  readonly reverse?: boolean;
}

/** How large a terminal is. */
export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** A key as text: a letter, or `up`, `down`, `ctrl-c`. */
export type Key = string;

const NAMED: Readonly<Record<string, Key>> = {
  "\x03": "ctrl-c",
  "\x1b[A": "up",
  "\x1bOA": "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
};

/** The screen of the terminal that this program runs on. */
export class Screen implements Disposable {
  /** Aborts on a signal that ends programs, and when the terminal is gone. */
  readonly ended: AbortSignal;
  readonly #ending = new AbortController();
  readonly #end = () => this.#ending.abort();
  readonly #resized: () => void;
  #closed = false;

  /**
   * Takes the terminal over.
   *
   * @param resized Called when the terminal has another size.
   */
  constructor(resized: () => void) {
    this.ended = this.#ending.signal;
    this.#resized = resized;
    for (const signal of ENDING) Deno.addSignalListener(signal, this.#end);
    if (Deno.build.os !== "windows") {
      Deno.addSignalListener("SIGWINCH", resized);
    }
    Deno.stdin.setRaw(true);
    this.#write(ENTER);
  }

  /** Whether there is a terminal that can do this. */
  static get isPossible(): boolean {
    return Deno.stdin.isTerminal() && Deno.stdout.isTerminal() &&
      Deno.env.get("TERM") !== "dumb";
  }

  /** As large as it is now. */
  get size(): ScreenSize {
    try {
      const { columns, rows } = Deno.consoleSize();
      if (columns > 0 && rows > 0) return { columns, rows };
    } catch {
      // It is gone, or does not say.
    }
    return { columns: 80, rows: 24 };
  }

  /** Shows a page in place of the last one; what does not fit is cut. */
  draw(page: readonly Line[]): void {
    if (this.#closed) return;
    const { columns, rows } = this.size;
    let text = BEGIN;
    // Each in its place: what a line end does depends on the terminal.
    for (let row = 0; row < rows; row++) {
      const { text: line = "", reverse } = page[row] ?? {};
      const cut = [...line].slice(0, columns).join("");
      // Wiped before: after a full line the cursor is still on it.
      text += `\x1b[${row + 1};1H\x1b[2K` +
        (reverse ? REVERSE + cut.padEnd(columns) + PLAIN : cut);
    }
    this.#write(text + END);
  }

  /** The keys that are pressed, until the terminal is gone. */
  async *keys(): AsyncGenerator<Key> {
    const decoder = new TextDecoder();
    try {
      for await (const bytes of Deno.stdin.readable) {
        const text = decoder.decode(bytes, { stream: true });
        // deno-lint-ignore no-control-regex
        for (const [key] of text.matchAll(/\x1b[[O].|[^]/gu)) {
          yield NAMED[key] ?? key;
        }
      }
    } catch {
      // It can't be read any more.
    }
    this.#end();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#write(LEAVE);
    this.#closed = true;
    try {
      Deno.stdin.setRaw(false);
    } catch {
      // The terminal is gone.
    }
    for (const signal of ENDING) Deno.removeSignalListener(signal, this.#end);
    if (Deno.build.os !== "windows") {
      Deno.removeSignalListener("SIGWINCH", this.#resized);
    }
  }

  #write(text: string): void {
    let bytes = new TextEncoder().encode(text);
    try {
      while (bytes.length > 0) {
        bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
      }
    } catch {
      this.#end();
    }
  }
}
