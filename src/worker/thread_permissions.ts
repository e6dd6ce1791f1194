import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDsn } from "../broker/dsn.ts";
import type { Allowed, Sandbox, WorkerConfig } from "../master/orders.ts";
import { readableBelow } from "./readable.ts";

/** From these `deno run` imports without a flag. */
const DEFAULT_HOSTS = [
  "cdn.jsdelivr.net:443",
  "deno.land:443",
  "esm.sh:443",
  "gist.githubusercontent.com:443",
  "jsr.io:443",
  "raw.githubusercontent.com:443",
];
/** In a sandbox only from where this library comes. */
const SANDBOX_HOSTS = ["jsr.io:443"];

/**
 * What a sandbox opens for the job thread; nothing if there is none. Modules
 * that were made ready lie in `runFolder`.
 */
export function sandboxOf(
  { permissions, root, dsn }: Pick<
    WorkerConfig,
    "permissions" | "root" | "dsn"
  >,
  runFolder?: string,
): Sandbox | undefined {
  if (permissions === undefined) return undefined;
  const broker = parseDsn(dsn);
  const queueFile = broker.kind === "sqlite" ? broker.path : undefined;
  const { paths, hidden } = readableBelow(root, queueFile);
  const { read } = permissions;
  const readable = read === true
    ? true
    : [...paths, ...(read || []), ...ownModules(), ...made(runFolder)];
  return { permissions, readable, hidden };
}

/**
 * The permissions of the job thread: what the sandbox opens, or all that the
 * process may. In both it imports only from hosts that the operator allowed,
 * so what an allowed module redirects to, or imports, obeys the list too.
 */
export function threadPermissions(
  { allowImport, modules, use }: Pick<
    WorkerConfig,
    "allowImport" | "modules" | "use"
  >,
  sandbox?: Sandbox,
): Deno.PermissionOptionsObject {
  const hosts = [...allowImport, ...modules, ...use].flatMap(hostOf);
  if (sandbox === undefined) {
    return {
      env: "inherit",
      ffi: "inherit",
      import: [...DEFAULT_HOSTS, ...hosts],
      net: "inherit",
      read: "inherit",
      run: "inherit",
      sys: "inherit",
      write: "inherit",
    };
  }
  const { env, ffi, net, run, sys, write } = sandbox.permissions;
  return {
    env: listed(env),
    ffi: listed(ffi),
    import: [...SANDBOX_HOSTS, ...hosts],
    net: listed(net),
    read: listed(sandbox.readable),
    run: listed(run),
    // The kinds that a program knows differ with its version.
    sys: listed(sys) as Deno.PermissionOptionsObject["sys"],
    write: listed(write),
  };
}

function listed(allowed: Allowed): boolean | string[] {
  return typeof allowed === "boolean" ? allowed : [...allowed];
}

/** A folder that can't be made: the module thread says so. */
function made(folder: string | undefined): string[] {
  if (folder === undefined) return [];
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    return [folder, Deno.realPathSync(folder)];
  } catch {
    return [];
  }
}

/** This program's library, which a job module may import from where it lies. */
function ownModules(): string[] {
  if (!import.meta.url.startsWith("file:")) return [];
  // A compiled program has its packages beside them, all of it inside itself.
  const ways = Deno.build.standalone ? ["."] : ["mod.ts", "src"];
  const root = fileURLToPath(new URL("../..", import.meta.url));
  return ways.map((way) => resolve(root, way));
}

/** Host and port of a remote URL; nothing for a path. */
function hostOf(text: string): string[] {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return [];
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return [`${url.hostname}:${port}`];
}
