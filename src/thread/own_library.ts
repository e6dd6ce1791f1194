import { CORE_SPECIFIER } from "../loader/resolve.ts";
import { registerHooks } from "../loader/module_hooks.ts";

/**
 * Gives jobs that import this library the program's own copy, whatever version
 * they ask for: another one would know nothing of the job that runs.
 */
export function provideOwnLibrary(): void {
  const url = new URL("../../mod.ts", import.meta.url).href;
  registerHooks?.({
    resolve: (specifier, context, next) =>
      CORE_SPECIFIER.test(specifier)
        ? { url, shortCircuit: true }
        : next(specifier, context),
  });
}
