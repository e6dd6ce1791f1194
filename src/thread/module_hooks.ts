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
