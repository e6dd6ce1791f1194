import * as nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import type { Sandbox } from "./protocol.ts";

/** What Deno has and does not declare. */
type Hooks = {
  registerHooks?(hooks: {
    load(
      url: string,
      context: unknown,
      next: (url: string, context: unknown) => unknown,
    ): unknown;
  }): unknown;
};

/**
 * Closes the ways around a sandbox that the runtime leaves open. To be called
 * before job code loads, and after the guard.
 */
export function confine(sandbox: Sandbox): void {
  // The port to the main thread is its `target`.
  for (const { prototype } of [MessagePort, MessageEvent]) {
    Object.freeze(prototype);
  }
  // An import reads a file without asking, e.g. as text what /proc says of
  // the processes around this one. What the first hook refuses, none gets.
  (nodeModule as Hooks).registerHooks?.({
    load(url, context, next) {
      checkFile(url, sandbox);
      return next(url, context);
    },
  });
}

const SPECIAL = /^\/(proc|dev|sys)(\/|$)/;

/**
 * Whether a module may be loaded, in addition to what the runtime checks.
 *
 * @throws {Deno.errors.NotCapable} If not.
 */
function checkFile(url: string, sandbox: Sandbox): void {
  if (!url.startsWith("file:")) return;
  const path = fileURLToPath(url.replace(/[?#].*$/s, ""));
  if (SPECIAL.test(path) || SPECIAL.test(realPath(path))) {
    throw notCapable("all", path);
  }
  if (isHidden(path, sandbox)) throw notCapable("read", path);
}

/** A file that the job may not ask about is left to the runtime's own check. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (!/Requires all access/.test((error as Error).message)) return path;
    throw error;
  }
}

function isHidden(path: string, { hidden, readable }: Sandbox): boolean {
  if (hidden === undefined || readable === true) return false;
  return path.startsWith(hidden) &&
    !readable.some((open) => path === open || path.startsWith(`${open}/`));
}

function notCapable(permission: string, path: string): Error {
  return new Deno.errors.NotCapable(
    `Requires ${permission} access to "${path}"`,
  );
}
