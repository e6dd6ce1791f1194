import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ArgumentError } from "../errors.ts";
import { hidePassword } from "../hide_password.ts";

/** Where a broker is. */
export type Dsn =
  | { readonly kind: "redis"; readonly url: string }
  | { readonly kind: "sqlite"; readonly path: string };

/**
 * Reads a DSN: `redis://`, `rediss://` or `sqlite:PATH`, the path relative to
 * `directory`.
 *
 * @throws {ArgumentError} If it is none of them. Never shows a password.
 */
export function parseDsn(text: string, directory: string = Deno.cwd()): Dsn {
  if (text.startsWith("sqlite:")) {
    const path = text.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "");
    if (path === "") {
      throw new ArgumentError(
        `Cannot use DSN "${text}": required is sqlite:PATH`,
      );
    }
    return { kind: "sqlite", path: resolve(directory, path) };
  }
  if (/^rediss?:\/\//.test(text) && URL.canParse(text)) {
    return { kind: "redis", url: text };
  }
  throw new ArgumentError(
    `Cannot use DSN "${hidePassword(text)}": required is ` +
      "redis://[[user]:password@]host[:port][/database], rediss://... " +
      "or sqlite:PATH",
  );
}

/** Prints a DSN as {@linkcode parseDsn} reads it, password included. */
export function printDsn(dsn: Dsn): string {
  return dsn.kind === "redis" ? dsn.url : `sqlite:${dsn.path}`;
}

/**
 * The DSN to use when none is given: `MQK_DSN`, else the embedded file
 * `.mqk/queue.sqlite` below `root`.
 */
export function defaultDsn(root: string = findRoot()): Dsn {
  const variable = Deno.env.get("MQK_DSN");
  if (variable !== undefined && variable !== "") return parseDsn(variable);
  return { kind: "sqlite", path: join(root, ".mqk", "queue.sqlite") };
}

/**
 * The folder of the nearest `deno.json(c)` at or above `directory`, else
 * `directory` itself.
 */
export function findRoot(directory: string = Deno.cwd()): string {
  for (let folder = resolve(directory);; folder = dirname(folder)) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      if (existsSync(join(folder, name))) return folder;
    }
    if (dirname(folder) === folder) return resolve(directory);
  }
}
