import { checkModuleFile } from "../loader/confinement.ts";
import type { Sandbox } from "../master/orders.ts";
import { registerHooks } from "./module_hooks.ts";

/**
 * Closes the ways around a sandbox that the runtime leaves open. To be called
 * before job code loads, and after the guard.
 */
export function confine(sandbox: Sandbox): void {
  // The port to the main thread is its `target`.
  for (const { prototype } of [MessagePort, MessageEvent]) {
    Object.freeze(prototype);
  }
  if (registerHooks === undefined) {
    if (Deno.build.standalone) refuseOwnImports();
    return;
  }
  // An import reads a file without asking, e.g. as text what /proc says of
  // the processes around this one. What the first hook refuses, none gets.
  registerHooks({
    load(url, context, next) {
      const runtimeChecks = !Deno.build.standalone;
      checkModuleFile(url, sandbox, { runtimeChecks });
      return next(url, context);
    },
  });
}

/**
 * In such a compiled program `import()` asks for no permission. The loader
 * checks the imports that stand in modules; so no others must come to be: not
 * in code that is made from strings, nor in threads that have no loader.
 */
function refuseOwnImports(): void {
  for (const name of ["eval", "Worker"]) {
    Object.defineProperty(globalThis, name, { value: () => refuse(name) });
  }
  for (
    const example of [
      function () {},
      async function () {},
      function* () {},
      async function* () {},
    ]
  ) {
    const prototype = Object.getPrototypeOf(example);
    const value = new Proxy(prototype.constructor, {
      apply: () => refuse("Function"),
      construct: () => refuse("Function"),
    });
    Object.defineProperty(prototype, "constructor", { value });
    if (prototype === Function.prototype) {
      Object.defineProperty(globalThis, "Function", { value });
    }
  }
}

function refuse(name: string): never {
  throw new Deno.errors.NotCapable(
    `${name} is not available to a job in a sandbox of the compiled ` +
      "program: code made from strings could import any file",
  );
}
