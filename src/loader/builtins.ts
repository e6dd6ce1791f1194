import * as native from "node:module";
import process from "node:process";
import { createRequire } from "./linked.ts";

/** They run code that no loader has seen: of strings, or in other threads. */
const UNSEEN = /^(node:)?(vm|worker_threads|repl|inspector(\/promises)?)$/;
const getNative = process.getBuiltinModule;

/**
 * Whether job code may have a built-in module where the loader alone checks
 * imports.
 *
 * @throws {Deno.errors.NotCapable} If it may not.
 */
export function checkBuiltin(name: string): void {
  if (UNSEEN.test(name)) throw unavailable(name);
}

/** What could import any file is refused. */
export function unavailable(name: string): Error {
  return new Deno.errors.NotCapable(
    `${name} is not available to a job in a sandbox of the compiled ` +
      "program: it could import any file",
  );
}

/**
 * A built-in module as code gets it that the loader of the compiled program has
 * linked; `confined`: where the loader alone checks imports.
 */
export function builtinModule(name: string, confined: boolean): unknown {
  if (confined) checkBuiltin(name);
  return /^(node:)?module$/.test(name)
    ? nodeModule(confined)
    : getNative(name as "process");
}

/** `node:module` with a `createRequire` that finds packages. */
function nodeModule(confined: boolean): unknown {
  const { builtinModules, isBuiltin } = native;
  return confined
    ? { builtinModules, createRequire, isBuiltin }
    : Object.assign(Object.create(native.default), { createRequire });
}

/**
 * The ES module in the place of a built-in one, whose URL it has; nothing if
 * it may be the runtime's own. It imports what it needs from `runtime`.
 */
export function builtinFacade(
  url: string,
  runtime: string,
  confined: boolean,
): string | undefined {
  const from = JSON.stringify(runtime);
  if (url === "node:module") {
    return `import { linkedBuiltin } from ${from};
const module = linkedBuiltin("module");
${confined ? "" : `export * from "node:module";\n`}\
export const { builtinModules, createRequire, isBuiltin } = module;
export default module;
`;
  }
  // Its named export is not the method that is replaced in the process.
  if (url === "node:process" && confined) {
    return `import process from "node:process";
export * from "node:process";
export const getBuiltinModule = process.getBuiltinModule;
export default process;
`;
  }
}
