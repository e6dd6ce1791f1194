/** Beyond so much waiting text, `offer` refuses. */
const MAX_WAITING_CHARACTERS = 1024 * 1024;
/** A pipe takes so many bytes in one piece, whoever else writes to it. */
const PIECE_CHARACTERS = 4096;

/** Where lines go; `Deno.stderr` is one. */
export interface ByteSink {
  /** Writes some of `bytes` and answers how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/**
 * Writes lines to stderr in order, without ever making the caller wait: what
 * the other end does not read stays in memory. After an error of the other
 * end (it is closed) everything is dropped.
 */
export class StderrLines {
  readonly #sink: ByteSink;
  #waiting: string[] = [];
  #waitingCharacters = 0;
  #writing: Promise<void> | undefined;
  #broken = false;

  constructor(sink: ByteSink = Deno.stderr) {
    this.#sink = sink;
  }

  /** Writes a line that must not be lost, with or without its line end. */
  write(line: string): void {
    if (this.#broken) return;
    const whole = line.endsWith("\n") ? line : line + "\n";
    this.#waiting.push(whole);
    this.#waitingCharacters += whole.length;
    this.#writing ??= this.#writeAll();
  }

  /** Writes a line, or answers `false` if too much waits already. */
  offer(line: string): boolean {
    if (this.#waitingCharacters >= MAX_WAITING_CHARACTERS) return false;
    this.write(line);
    return true;
  }

  /** Resolves when all that was written so far has left. Never rejects. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #writeAll(): Promise<void> {
    const encoder = new TextEncoder();
    try {
      // One turn later, so that the lines of this turn leave together.
      await Promise.resolve();
      while (this.#waiting.length > 0) {
        const lines = this.#waiting;
        this.#waiting = [];
        for (const piece of pieces(lines)) {
          let bytes = encoder.encode(piece);
          while (bytes.length > 0) {
            bytes = bytes.subarray(await this.#sink.write(bytes));
          }
          this.#waitingCharacters -= piece.length;
        }
      }
    } catch {
      this.#broken = true;
      this.#waiting = [];
      this.#waitingCharacters = 0;
    } finally {
      this.#writing = undefined;
    }
  }
}

/** Joins lines up to the size that a pipe takes in one piece. */
function* pieces(lines: readonly string[]): Generator<string> {
  let piece = "";
  for (const line of lines) {
    if (piece !== "" && piece.length + line.length > PIECE_CHARACTERS) {
      yield piece;
      piece = "";
    }
    piece += line;
  }
  if (piece !== "") yield piece;
}
