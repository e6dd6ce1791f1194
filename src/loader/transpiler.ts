/** One file to turn into JavaScript. */
export interface TranspileJob {
  readonly source: string;
  /** `.ts`, `.tsx`, `.mts`, `.cts` or `.jsx`. */
  readonly extension: string;
  /** Of the project's `deno.json`. */
  readonly compilerOptions: Readonly<Record<string, unknown>>;
}

/** JavaScript with the mappings of its source map, or what is wrong. */
export type Transpiled =
  | { readonly code: string; readonly mappings: string }
  | {
    readonly error: string;
    readonly line: number;
    readonly column: number;
  };

/** The compiler's memory is given back when it has had nothing to do. */
const IDLE_MS = 5_000;

/** Hands files to a thread with the TypeScript compiler, started when needed. */
export class Transpiler {
  #thread: Worker | undefined;
  #ready: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** Transpiles one file; those that come meanwhile wait. */
  transpile(job: TranspileJob): Promise<Transpiled> {
    const result = this.#last.then(() => this.#run(job));
    this.#last = result.catch(() => {});
    return result;
  }

  /** Ends the thread. */
  [Symbol.dispose](): void {
    clearTimeout(this.#idle);
    this.#thread?.terminate();
    this.#thread = this.#ready = undefined;
  }

  async #run(job: TranspileJob): Promise<Transpiled> {
    clearTimeout(this.#idle);
    try {
      const thread = this.#thread ??= new Worker(
        new URL("./transpiler_thread.ts", import.meta.url),
        { type: "module", name: "transpiler" },
      );
      await (this.#ready ??= answer(thread).then(() => {}));
      const answered = answer(thread);
      thread.postMessage(job);
      return await answered as Transpiled;
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    } finally {
      this.#idle = setTimeout(() => this[Symbol.dispose](), IDLE_MS);
      Deno.unrefTimer(this.#idle);
    }
  }
}

/** The next message of a thread. */
function answer(thread: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    thread.onmessage = ({ data }) => resolve(data);
    thread.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`the TypeScript compiler failed: ${event.message}`));
    };
  });
}
