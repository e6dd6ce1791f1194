import type { Reference } from "../job/reference.ts";
import type { ImportAccess } from "./access.ts";
import { findCallable, type JobFunction } from "./callable.ts";
import type { ModuleLoader, Namespace } from "./load.ts";
import { LoadError } from "./load_error.ts";

/** References are chosen by whoever sends jobs, so there may be any number. */
const MAX_KNOWN = 10_000;

/** Finds the function that a reference means, and remembers it. */
export class JobFunctions {
  readonly #access: ImportAccess;
  readonly #loader: ModuleLoader;
  readonly #wrap: (found: JobFunction) => JobFunction;
  readonly #known = new Map<string, JobFunction>();

  /** @param wrap Makes what is called of what was found. Default: the same. */
  constructor(
    access: ImportAccess,
    loader: ModuleLoader,
    wrap: (found: JobFunction) => JobFunction = (found) => found,
  ) {
    this.#access = access;
    this.#loader = loader;
    this.#wrap = wrap;
  }

  /** The function of a reference that was found before, by its text. */
  known(text: string): JobFunction | undefined {
    return this.#known.get(text);
  }

  /**
   * Locates and loads the module of a reference, and finds its function.
   *
   * @throws {LoadError} Saying why that can't be done.
   */
  async find(reference: Reference, text: string): Promise<JobFunction> {
    const { module, path } = reference;
    const found = this.#wrap(
      module === null
        ? await this.#findByName(path)
        : findCallable(await this.#load(module), path, module),
    );
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(text, found);
    return found;
  }

  #load(module: string): Promise<Namespace> {
    return this.#loader.load(this.#access.resolve(module), module);
  }

  /** Looks in the modules that were named on `mqk run`. */
  async #findByName(path: readonly string[]): Promise<JobFunction> {
    const name = path.join(".");
    const modules = this.#access.namedModules;
    if (modules.length === 0) {
      throw new LoadError(
        `Cannot call ${name}: a name without a module is looked up in the ` +
          "modules named on mqk run, and none is named; " +
          "required is <module>#<export>",
      );
    }
    const holders: { module: string; exports: Namespace }[] = [];
    for (const module of modules) {
      const exports = await this.#load(module);
      if (
        Object.hasOwn(exports, path[0]) &&
        !holders.some((holder) => holder.exports === exports)
      ) holders.push({ module, exports });
    }
    if (holders.length === 1) {
      return findCallable(holders[0].exports, path, holders[0].module);
    }
    throw new LoadError(
      holders.length === 0
        ? `Cannot call ${name}: no module named on mqk run exports ` +
          `${path[0]} (${modules.join(", ")})`
        : `Cannot call ${name}: more than one module exports ${path[0]} (${
          holders.map(({ module }) => module).join(", ")
        }); name one of them, as in ${holders[0].module}#${name}`,
    );
  }
}
