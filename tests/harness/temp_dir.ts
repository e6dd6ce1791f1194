import { join } from "node:path";

/** A folder of its own, removed with all that is in it. */
export class TempDir implements AsyncDisposable {
  readonly path: string;

  constructor() {
    this.path = Deno.realPathSync(
      Deno.makeTempDirSync({ prefix: "mqk_test_" }),
    );
  }

  /** Writes a file below the folder and answers with its path. */
  write(name: string, text: string): string {
    const path = join(this.path, name);
    Deno.mkdirSync(join(path, ".."), { recursive: true });
    Deno.writeTextFileSync(path, text);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
