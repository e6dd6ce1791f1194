import process from "node:process";
import { builtinModule, unavailable } from "../loader/builtins.ts";
import { checkModuleFile } from "../loader/confinement.ts";
import {
  IMPORTS_ARE_UNCHECKED,
  registerHooks,
} from "../loader/module_hooks.ts";
import { escapeImports } from "../loader/unseen_imports.ts";
import type { Sandbox } from "../master/orders.ts";

/**
 * Closes the ways around a sandbox that the runtime leaves open. To be called
 * before job code loads, and after the guard.
 */
export function confine(sandbox: Sandbox): void {
  // The port to the main thread is its `target`.
  for (const { prototype } of [MessagePort, MessageEvent]) {
    Object.freeze(prototype);
  }
  if (IMPORTS_ARE_UNCHECKED) return closeOtherImports();
  // An import reads a file without asking, e.g. as text what /proc says of
  // the processes around this one. What the first hook refuses, none gets.
  registerHooks?.({
    load(url, context, next) {
      const runtimeChecks = !Deno.build.standalone;
      checkModuleFile(url, sandbox, { runtimeChecks });
      return next(url, context);
    },
  });
}

/**
 * The loader checks the imports that stand in modules, so no others may come
 * to be: not in code that is made from strings, nor in threads that have no
 * loader, nor by what the runtime keeps for itself.
 */
function closeOtherImports(): void {
  define(globalThis, "Worker", function () {
    throw unavailable("Worker");
  });
  define(process, "getBuiltinModule", (name: string) => {
    return builtinModule(name, true);
  });
  const { internal } = Deno as unknown as { internal: symbol };
  define(Reflect.get(Deno, internal), "core", undefined);
  const evaluate = globalThis.eval;
  define(globalThis, "eval", (code: unknown) => {
    if (typeof code !== "string") return code;
    return withoutImports([code], ([escaped]) => evaluate(escaped));
  });
  for (const name of ["setTimeout", "setInterval"] as const) {
    const value = new Proxy(globalThis[name], {
      apply(set, self, [callback, ...rest]) {
        if (typeof callback !== "function") {
          throw new TypeError("The callback must be of type function");
        }
        return Reflect.apply(set, self, [callback, ...rest]);
      },
    });
    define(globalThis, name, value);
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
      apply: (create, self, texts) =>
        withoutImports(
          texts,
          (escaped) => Reflect.apply(create, self, escaped),
        ),
      construct: (create, texts, self) =>
        withoutImports(
          texts,
          (escaped) => Reflect.construct(create, escaped, self),
        ),
    });
    define(prototype, "constructor", value);
    if (prototype === Function.prototype) define(globalThis, "Function", value);
  }
}

/** Makes code from strings that cannot import, or says that it would. */
function withoutImports<Made>(
  parts: readonly unknown[],
  make: (escaped: string[]) => Made,
): Made {
  const texts = parts.map(String);
  const escaped = texts.map(escapeImports);
  try {
    return make(escaped);
  } catch (error) {
    if (error instanceof SyntaxError && escaped.join() !== texts.join()) {
      throw unavailable("import() in code made from strings");
    }
    throw error;
  }
}

function define(object: object, property: string, value: unknown): void {
  Object.defineProperty(object, property, { value });
}
