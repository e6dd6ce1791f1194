import { deadline, DeadlineError } from "../time/deadline.ts";
import * as calculator from "./calculator.ts";
import { LoadError } from "./load_error.ts";
import { shorten } from "./locate.ts";

/** What a module exports. */
export type Namespace = Readonly<Record<string, unknown>>;

/** How modules are loaded. */
export interface ModuleLoaderOptions {
  /** Imports a URL. Default: the runtime's own `import()`. */
  readonly importModule?: (url: string) => Promise<Namespace>;
  /** How long one module may take. Default 30 s. */
  readonly limitMs?: number;
  /** A module did not load; only a new process can try it again. */
  readonly stale: (module: string) => void;
}

const LIMIT_MS = 30_000;
const MAX_REASON_LENGTH = 1000;
/** Modules that are part of the program. */
const BUILT_IN: ReadonlyMap<string, Namespace> = new Map([
  ["mqk:calculator", calculator],
]);
// deno-lint-ignore no-control-regex
const ANSI_COLOR = /\x1b\[[0-9;]*m/g;

/**
 * Loads each module once. That holds for failures too: the runtime never
 * evaluates a module a second time, so what failed stays failed in this
 * process, and `stale` asks for a new one.
 */
export class ModuleLoader {
  readonly #importModule: (url: string) => Promise<Namespace>;
  readonly #limitMs: number;
  readonly #stale: (module: string) => void;
  readonly #modules = new Map<string, Promise<Namespace>>();

  constructor({ importModule, limitMs, stale }: ModuleLoaderOptions) {
    this.#importModule = importModule ?? ((url) => import(url));
    this.#limitMs = limitMs ?? LIMIT_MS;
    this.#stale = stale;
  }

  /**
   * Loads the module at `url`; `module` is its name in messages.
   *
   * @throws {LoadError} If it can't be loaded in time.
   */
  load(url: string, module: string): Promise<Namespace> {
    const known = this.#modules.get(url);
    if (known !== undefined) return known;
    const loading = url.startsWith("mqk:")
      ? builtIn(url)
      : this.#load(url, module);
    this.#modules.set(url, loading);
    return loading;
  }

  async #load(url: string, module: string): Promise<Namespace> {
    const loading = this.#importModule(url);
    try {
      return await deadline(loading, this.#limitMs, module);
    } catch (error) {
      // It may only be slow: then it works from the moment it is there.
      loading.then(
        (exports) => this.#modules.set(url, Promise.resolve(exports)),
        () => {},
      );
      this.#stale(module);
      throw new LoadError(
        `Cannot load module ${shorten(module)}: ${this.#reason(error)}`,
        { cause: error },
      );
    }
  }

  #reason(error: unknown): string {
    if (error instanceof DeadlineError) {
      return `it did not finish loading in ${this.#limitMs / 1000} s`;
    }
    const text = error instanceof Error
      ? `${error.name}: ${error.message}`
      : `it threw ${Deno.inspect(error)}`;
    // Up to the code frame, on one line.
    return text.replace(ANSI_COLOR, "").split("\n\n")[0]
      .replace(/\s+/g, " ").slice(0, MAX_REASON_LENGTH);
  }
}

function builtIn(url: string): Promise<Namespace> {
  const exports = BUILT_IN.get(url);
  if (exports !== undefined) return Promise.resolve(exports);
  return Promise.reject(
    new LoadError(
      `Cannot find module ${shorten(url)}: the program has ${
        [...BUILT_IN.keys()].join(", ")
      }`,
    ),
  );
}
