import * as nodeModule from "node:module";

/** How an import becomes a URL, and a URL a module. */
export interface ModuleHooks {
  resolve?(
    specifier: string,
    context: { parentURL?: string; conditions: string[] },
    next: (specifier: string, context: unknown) => unknown,
  ): unknown;
  load?(
    url: string,
    context: unknown,
    next: (url: string, context: unknown) => unknown,
  ): unknown;
}

/**
 * `registerHooks` of `node:module`, which Deno has from 2.9 on and does not
 * declare. A hook that was registered first has the last word.
 */
export const registerHooks:
  | ((hooks: ModuleHooks) => unknown)
  | undefined = (nodeModule as {
    registerHooks?(hooks: ModuleHooks): unknown;
  }).registerHooks;

/**
 * The runtime's own `import()` asks for no permission, and nothing can look at
 * it: so it is in a program that was compiled with Deno before 2.9. In a
 * sandbox no import may come to be there that our loader has not checked.
 */
export const IMPORTS_ARE_UNCHECKED: boolean = Deno.build.standalone &&
  registerHooks === undefined;
