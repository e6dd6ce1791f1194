import process from "node:process";

/** The file can't be written, or names a process that runs. */
export class PidFileError extends Error {
  override name = "PidFileError";
}

/** A file with the number of this process, removed when it is disposed. */
export class PidFile implements Disposable {
  readonly #path: string;

  /**
   * Writes the file.
   *
   * @throws {PidFileError} If it names a living process, or can't be written.
   */
  constructor(path: string) {
    this.#path = path;
    const other = readPid(path);
    if (other !== undefined && other !== Deno.pid && isAlive(other)) {
      throw new PidFileError(
        `Cannot write pid file ${path}: it names process ${other}, which ` +
          "runs; end that, or remove the file",
      );
    }
    try {
      Deno.writeTextFileSync(path, `${Deno.pid}\n`);
    } catch (error) {
      throw new PidFileError(
        `Cannot write pid file ${path}: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  /** Removes the file, unless it is another process's by now. */
  [Symbol.dispose](): void {
    if (readPid(this.#path) !== Deno.pid) return;
    try {
      Deno.removeSync(this.#path);
    } catch {
      // Somebody else removed it.
    }
  }
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(Deno.readTextFileSync(path).trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}
