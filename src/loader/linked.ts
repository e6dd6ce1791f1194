/**
 * What linked modules of the compiled program import in their first line. It
 * is set once, by the job thread, before the first of them loads.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** What the job thread does for linked modules. */
export interface LinkedRuntime {
  /** `import()` in the module `referrer`. */
  import(
    specifier: string,
    referrer: string,
    type: string | undefined,
  ): Promise<unknown>;
  /** `import.meta.resolve()` in the module `referrer`. */
  resolve(specifier: string, referrer: string): string;
  /** `module.exports` of a CommonJS file. */
  require(path: string): unknown;
  /** A `require` that resolves from a file. */
  requireFrom(path: string): unknown;
  /** A module of the runtime. */
  builtin(name: string): unknown;
}

let runtime: LinkedRuntime | undefined;

/** Sets what linked modules use; a second time is refused. */
export function provideLinkedRuntime(provided: LinkedRuntime): void {
  if (runtime !== undefined) throw new Error("It is set already");
  runtime = provided;
}

/** What `import.meta` is in the module that was at `url`. */
export function linkedMeta(url: string): ImportMeta {
  const path = url.startsWith("file:") ? fileURLToPath(url) : undefined;
  const meta = {
    __proto__: null,
    url,
    main: false,
    resolve: (specifier: string) => runtime!.resolve(specifier, url),
    ...(path !== undefined && { filename: path, dirname: dirname(path) }),
  };
  return meta as unknown as ImportMeta;
}

/** What `import()` is in the module that was at `url`. */
export function linkedImport(
  url: string,
): (
  specifier: unknown,
  options?: { with?: { type?: string } },
) => Promise<unknown> {
  return async (specifier, options) =>
    await runtime!.import(`${specifier}`, url, options?.with?.type);
}

/** `module.exports` of a CommonJS file. */
export function linkedRequire(path: string): unknown {
  return runtime!.require(path);
}

/** A module of the runtime, as linked modules get it. */
export function linkedBuiltin(name: string): unknown {
  return runtime!.builtin(name);
}

/** `createRequire` of `node:module`. */
export function createRequire(from: string | URL): unknown {
  const text = String(from);
  return runtime!.requireFrom(
    text.startsWith("file:") ? fileURLToPath(text) : text,
  );
}
