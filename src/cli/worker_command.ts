import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ArgumentError } from "../errors.ts";
import { parseJsonc } from "../loader/jsonc.ts";
import type { WorkerCommand } from "../master/worker_process.ts";
import type { RunOptions } from "./run.ts";

/**
 * How a worker is started: as this program, with the job code's settings.
 *
 * @throws {ArgumentError} If the project's configuration can't be read.
 */
export function workerCommand(
  root: string,
  modules: readonly string[],
  { maxMemory, reload, use = [], allowImport = [] }: RunOptions,
): WorkerCommand {
  const config = ["deno.json", "deno.jsonc"].map((name) => join(root, name))
    .find((file) => existsSync(file));
  const settings = config === undefined ? undefined : readConfig(config);
  const path = Deno.execPath();
  if (Deno.build.standalone) return { path, args: ["work"] };
  const remote = [...allowImport, ...modules, ...use]
    .filter((module) => /^https?:/i.test(module));
  const manifest = join(root, "package.json");
  const hasManifest = existsSync(manifest);
  return {
    path,
    args: [
      "run",
      "--quiet",
      "--allow-all",
      "--unstable-worker-options",
      ...(maxMemory === undefined
        ? []
        : [`--v8-flags=--max-old-space-size=${maxMemory}`]),
      ...(reload && remote.length > 0 ? [`--reload=${remote}`] : []),
      // Else this program's own packages would have to be in the project's
      // node_modules, where nobody installs them.
      ...(hasManifest || settings?.nodeModulesDir === "manual"
        ? ["--node-modules-dir=none"]
        : []),
      ...(config === undefined ? [] : ["--config", config]),
      // Without a configuration beside it, nobody reads a package.json.
      ...(hasManifest && config === undefined
        ? [`--import-map=${importMap(manifest)}`]
        : []),
      // A project that has no lock file gets none, nor this program's own.
      ...(settings !== undefined &&
          (settings.lock !== undefined || existsSync(join(root, "deno.lock")))
        ? []
        : ["--no-lock"]),
      new URL("../../cli.ts", import.meta.url).href,
      "work",
    ],
  };
}

/** What a project says about its workers' modules. */
interface Settings {
  readonly nodeModulesDir?: unknown;
  readonly lock?: unknown;
}

/** Each worker would stumble over one that is no JSON. */
function readConfig(file: string): Settings {
  try {
    return parseJsonc(readFileSync(file, "utf8")) as Settings;
  } catch (error) {
    const { message } = error as Error;
    throw new ArgumentError(
      `Cannot read ${file}: it must be JSON: ${message.replace(/\s+/g, " ")}`,
      { cause: error },
    );
  }
}

/** A URL with the packages that a `package.json` names, by their names. */
function importMap(manifest: string): string {
  const imports: Record<string, string> = {};
  for (const [name, version] of packagesOf(manifest)) {
    // Another name's package, else a range; no folder or repository.
    const found = /^npm:(.+)$/.exec(version)?.[1] ??
      (/[:/]/.test(version) ? undefined : `${name}@${version}`);
    if (found === undefined) continue;
    imports[name] = `npm:${found}`;
    imports[`${name}/`] = `npm:/${found}/`;
  }
  const text = encodeURIComponent(JSON.stringify({ imports }));
  return `data:application/json,${text}`;
}

function packagesOf(manifest: string): [name: string, version: string][] {
  try {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(manifest, "utf8"),
    );
    return Object.entries({ ...devDependencies, ...dependencies });
  } catch {
    // Not for Deno, then.
    return [];
  }
}
