import type { Line } from "./evidence.ts";

/** Reads what jobs write to one file, as it grows. */
export class Records {
  readonly lines: Line[] = [];
  readonly #path: string;
  readonly #ended = new Set<string>();
  readonly #started = new Map<string, number>();
  #offset = 0;
  #rest = "";
  #repeated = 0;

  /** @param path The file; it may not be there yet. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Jobs that came to their end at least once. */
  get done(): number {
    return this.#ended.size;
  }

  /** Starts of an attempt beyond its first. */
  get repeated(): number {
    return this.#repeated;
  }

  /** Reads on from where it stopped. */
  read(): void {
    let text: string;
    try {
      using file = Deno.openSync(this.#path);
      const { size } = file.statSync();
      const bytes = new Uint8Array(size - this.#offset);
      file.seekSync(this.#offset, Deno.SeekMode.Start);
      let read = 0;
      while (read < bytes.length) {
        const count = file.readSync(bytes.subarray(read)) ?? 0;
        if (count === 0) break;
        read += count;
      }
      this.#offset += read;
      text = new TextDecoder().decode(bytes.subarray(0, read));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop()!;
    for (const part of parts) this.#add(part);
  }

  #add(text: string): void {
    const [what, id, attempt, pid, kind] = text.split(" ");
    if (what !== "start" && what !== "end") {
      throw new Error(`Not a line of a job: ${text}`);
    }
    const line = { what, id, attempt: +attempt, pid: +pid, kind } as const;
    this.lines.push(line);
    if (what === "end") {
      this.#ended.add(id);
    } else {
      if (line.attempt <= (this.#started.get(id) ?? 0)) this.#repeated++;
      this.#started.set(id, line.attempt);
    }
  }
}
