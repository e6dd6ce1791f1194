import { hidePassword } from "../hide_password.ts";
import { pathToFileURL } from "node:url";
import { LoadError } from "./load_error.ts";

const WINDOWS_DRIVE = /^[A-Za-z]:[\\/]/;

/**
 * The URL that the module of a reference means: a path is resolved against
 * `root`, as an import in a file right below it would be. It may still lie
 * anywhere; `ImportAccess` decides whether it is allowed.
 *
 * @throws {LoadError} If it is neither a path nor a URL.
 */
export function locate(module: string, root: string): URL {
  const specifier = WINDOWS_DRIVE.test(module) ? `file:///${module}` : module;
  const base = pathToFileURL(`${root}/`);
  try {
    return new URL(specifier, base);
  } catch {
    throw new LoadError(
      `Cannot find module ${shorten(module)}: it is neither a path nor a URL`,
    );
  }
}

/** A module as it was given, short enough for one line. */
export function shorten(module: string): string {
  const line = hidePassword(module).replace(/\p{Cc}/gu, "?");
  return line.length <= 200 ? line : `${line.slice(0, 200)}...`;
}
