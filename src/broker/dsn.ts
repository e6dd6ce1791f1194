import { dirname, join, resolve } from "node:path";
import { ArgumentError } from "../errors.ts";
import { clusterOf, parseRedisDsn, withParameters } from "./redis_dsn.ts";

/** Where a broker is. */
export type Dsn =
  | { readonly kind: "redis"; readonly url: string }
  | { readonly kind: "sqlite"; readonly path: string };

/** What can be said beside a DSN of Redis as well as in it. */
export interface RedisParameters {
  readonly prefix?: string;
  /** A PEM file with the authority to trust. */
  readonly ca?: string;
  /** A job is stored when so many replicas have it. */
  readonly replicas?: number;
}

/**
 * Reads a DSN: one of Redis (see `redis_dsn.ts`) or `sqlite:PATH`; paths are
 * relative to `directory`.
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
  parseRedisDsn(text);
  return { kind: "redis", url: withParameters(text, {}, directory) };
}

/**
 * The same broker with other parameters.
 *
 * @throws {ArgumentError} If one is wrong, or the broker is a file.
 */
export function addParameters(
  dsn: Dsn,
  parameters: RedisParameters,
  directory: string = Deno.cwd(),
): Dsn {
  const [first] = Object.entries(parameters)
    .flatMap(([name, value]) => value === undefined ? [] : [name]);
  if (first === undefined) return dsn;
  if (dsn.kind === "sqlite") {
    throw new ArgumentError(
      `Cannot use ${first} with the file ${dsn.path}: it is for Redis`,
    );
  }
  const url = withParameters(dsn.url, { ...parameters }, directory);
  parseRedisDsn(url);
  return { kind: "redis", url };
}

/**
 * The cluster to which these servers belong.
 *
 * @throws {ArgumentError} If one can't be a node.
 */
export function clusterDsn(nodes: readonly Dsn[]): Dsn {
  const url = clusterOf(nodes.map(printDsn));
  parseRedisDsn(url);
  return { kind: "redis", url };
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
      if (exists(join(folder, name))) return folder;
    }
    if (dirname(folder) === folder) return resolve(directory);
  }
}

/** Without `node:fs`: to load that takes longer than all of this file. */
function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
