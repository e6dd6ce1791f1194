import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import type { TempDir } from "./temp_dir.ts";

/**
 * A wall clock for other processes that a test can set, by `libfaketime`; as
 * when an operator sets it, their steady clocks go on.
 */
export class FakeClock implements Disposable {
  /** Variables of the processes that go by this clock. */
  readonly env: Readonly<Record<string, string>>;
  readonly #path: string;

  /**
   * @param folder Where the time stands in a file.
   * @throws {Error} If `libfaketime` is not installed.
   */
  constructor(folder: TempDir) {
    this.#path = join(folder.path, "faketime");
    this.set(0);
    this.env = {
      // Redis: its allocator reads the clock before the library is ready.
      LD_PRELOAD: `${library()}:libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: this.#path,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Sets it so many seconds ahead of the true time. */
  set(aheadSeconds: number): void {
    const sign = aheadSeconds < 0 ? "-" : "+";
    const text = `${sign}${Math.abs(aheadSeconds)}`;
    Deno.writeTextFileSync(`${this.#path}.new`, text);
    Deno.renameSync(`${this.#path}.new`, this.#path);
  }

  /** Takes away what its processes left that were killed. */
  [Symbol.dispose](): void {
    for (const file of globSync("/dev/shm/*faketime_s*_*")) {
      const pid = file.split("_").at(-1);
      if (!existsSync(`/proc/${pid}`)) Deno.removeSync(file);
    }
  }
}

/** The library for programs with threads, where Debian puts it. */
function library(): string {
  const [file] = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1");
  if (file === undefined) throw new Error("libfaketime is not installed");
  return file;
}
