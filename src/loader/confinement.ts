import { fileURLToPath } from "node:url";
import type { Sandbox } from "../master/orders.ts";

const SPECIAL = /^\/(proc|dev|sys)(\/|$)/;

/**
 * Whether job code in a sandbox may load a file as a module; other URLs pass.
 * Links are resolved: what one leads to must be readable by itself. Where the
 * runtime checks paths itself (`runtimeChecks`), only what it leaves out is
 * looked at.
 *
 * @throws {Deno.errors.NotCapable} If it may not.
 */
export function checkModuleFile(
  url: string,
  sandbox: Sandbox,
  { runtimeChecks }: { readonly runtimeChecks: boolean },
): void {
  if (!url.startsWith("file:")) return;
  const path = fileURLToPath(url.replace(/[?#].*$/s, ""));
  const real = realPath(path);
  if (SPECIAL.test(path) || SPECIAL.test(real)) throw notCapable("all", path);
  if (runtimeChecks && real === path) return;
  if (!isReadable(real, sandbox)) throw notCapable("read", real);
}

/** A file that may not be asked about, or is not there, is the runtime's. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (!/Requires all access/.test((error as Error).message)) return path;
    throw error;
  }
}

function isReadable(path: string, { readable }: Sandbox): boolean {
  return readable === true ||
    readable.some((open) =>
      path === open || path.startsWith(open) && /[\\/]/.test(path[open.length])
    );
}

function notCapable(permission: string, path: string): Error {
  return new Deno.errors.NotCapable(
    `Requires ${permission} access to "${path}"`,
  );
}
