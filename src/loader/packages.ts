import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve, sep } from "node:path";
import { LoadError } from "./load_error.ts";

/** How a package is used: its `exports` may differ. */
export type PackageUse = "import" | "require";

/** What a `package.json` says about modules. */
interface PackageJson {
  readonly name?: string;
  readonly type?: string;
  readonly main?: string;
  readonly exports?: unknown;
  readonly imports?: Readonly<Record<string, unknown>>;
}

const EXTENSIONS = [".js", ".json", ".cjs", ".mjs", ".node"];

/**
 * Finds files of packages in the `node_modules` at or above the file that
 * wants them, as Node does.
 */
export class Packages {
  readonly #manifests = new Map<string, PackageJson | null>();

  /**
   * The file that a bare specifier means, links resolved; nothing if the
   * package is not installed.
   *
   * @throws {LoadError} If the package has no such part.
   */
  find(specifier: string, from: string, use: PackageUse): string | undefined {
    if (specifier.startsWith("#")) return this.#findOwn(specifier, from, use);
    const { name, subpath } = splitSpecifier(specifier);
    for (const folder of foldersUp(dirname(from))) {
      if (folder.endsWith(`${sep}node_modules`)) continue;
      const own = this.#manifest(folder);
      const packageFolder = own?.name === name && own.exports !== undefined
        ? folder
        : join(folder, "node_modules", name);
      if (!existsSync(packageFolder)) continue;
      return this.#part(packageFolder, subpath, use);
    }
  }

  /**
   * The file that `require(specifier)` means in the file `from`. Nothing if
   * there is none.
   *
   * @throws {LoadError} If the package has no such part.
   */
  required(specifier: string, from: string): string | undefined {
    return isPath(specifier)
      ? this.file(resolve(dirname(from), specifier))
      : this.find(specifier, from, "require");
  }

  /**
   * The file that a path of `require` means: extensions and `index.js` may be
   * left out. Nothing if there is none.
   */
  file(path: string): string | undefined {
    if (isFile(path)) return realpathSync(path);
    for (const extension of EXTENSIONS) {
      if (isFile(path + extension)) return realpathSync(path + extension);
    }
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
    const main = this.#manifest(path)?.main;
    const found = main === undefined ? undefined : this.file(join(path, main));
    if (found !== undefined) return found;
    for (const extension of EXTENSIONS) {
      const index = join(path, `index${extension}`);
      if (isFile(index)) return realpathSync(index);
    }
  }

  /** `type` of the nearest `package.json`: how its `.js` files are read. */
  type(path: string): string | undefined {
    for (const folder of foldersUp(dirname(path))) {
      const manifest = this.#manifest(folder);
      if (manifest !== null) return manifest.type;
      if (folder.endsWith(`${sep}node_modules`)) return undefined;
    }
  }

  #part(folder: string, subpath: string, use: PackageUse): string {
    const manifest = this.#manifest(folder);
    if (manifest?.exports !== undefined && manifest.exports !== null) {
      return this.#fromMap(
        exportsMap(manifest.exports),
        subpath,
        folder,
        use,
      );
    }
    const found = this.file(join(folder, subpath));
    if (found !== undefined) return found;
    throw new LoadError(
      `Cannot find ${subpath === "." ? "an entry" : subpath} in ${folder}`,
    );
  }

  #findOwn(specifier: string, from: string, use: PackageUse): string {
    for (const folder of foldersUp(dirname(from))) {
      const manifest = this.#manifest(folder);
      if (manifest === null) continue;
      return this.#fromMap(manifest.imports ?? {}, specifier, folder, use);
    }
    throw new LoadError(`Cannot find ${specifier}: no package.json has it`);
  }

  /** Looks in `exports` or `imports` of a package. */
  #fromMap(
    map: Readonly<Record<string, unknown>>,
    key: string,
    folder: string,
    use: PackageUse,
  ): string {
    const { target, rest } = match(map, key);
    const chosen = choose(target, use)?.replaceAll("*", rest);
    if (chosen === undefined) {
      throw new LoadError(
        `Cannot ${use} ${key} of the package in ${folder}: ` +
          "its package.json does not offer it",
      );
    }
    if (!chosen.startsWith("./")) {
      const found = this.find(chosen, join(folder, "package.json"), use);
      if (found !== undefined) return found;
    }
    const path = resolve(folder, chosen);
    if (chosen.startsWith("./") && isFile(path)) return realpathSync(path);
    throw new LoadError(
      `Cannot ${use} ${key} of the package in ${folder}: ${chosen} is missing`,
    );
  }

  #manifest(folder: string): PackageJson | null {
    let manifest = this.#manifests.get(folder);
    if (manifest === undefined) {
      manifest = readManifest(join(folder, "package.json"));
      this.#manifests.set(folder, manifest);
    }
    return manifest;
  }
}

/** Whether a specifier is a path, not the name of a package. */
export function isPath(specifier: string): boolean {
  return /^\.{1,2}(\/|$)/.test(specifier) || isAbsolute(specifier);
}

/** Name and part of a specifier: `@scope/name/part` has part `./part`. */
export function splitSpecifier(
  specifier: string,
): { name: string; subpath: string } {
  const parts = specifier.split("/");
  const length = specifier.startsWith("@") ? 2 : 1;
  const rest = parts.slice(length).join("/");
  return {
    name: parts.slice(0, length).join("/"),
    subpath: rest === "" ? "." : `./${rest}`,
  };
}

function* foldersUp(folder: string): Generator<string> {
  for (let path = folder;; path = dirname(path)) {
    yield path;
    if (dirname(path) === path) return;
  }
}

function readManifest(path: string): PackageJson | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return null;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LoadError(
      `Cannot read ${path}: it must be JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** `exports` in its long form: a map of parts. */
function exportsMap(exports: unknown): Readonly<Record<string, unknown>> {
  const isMap = typeof exports === "object" && exports !== null &&
    !Array.isArray(exports) &&
    Object.keys(exports).every((key) => key.startsWith("."));
  return isMap ? exports as Record<string, unknown> : { ".": exports };
}

/** The entry for a key: an exact one, else the longest pattern. */
function match(
  map: Readonly<Record<string, unknown>>,
  key: string,
): { target: unknown; rest: string } {
  if (Object.hasOwn(map, key)) return { target: map[key], rest: "" };
  const patterns = Object.keys(map).filter((pattern) => pattern.includes("*"))
    .sort((a, b) => b.indexOf("*") - a.indexOf("*"));
  for (const pattern of patterns) {
    const [head, tail] = pattern.split("*");
    if (
      key.startsWith(head) && key.endsWith(tail) &&
      key.length >= pattern.length
    ) {
      const rest = key.slice(head.length, key.length - tail.length);
      return { target: map[pattern], rest };
    }
  }
  return { target: undefined, rest: "" };
}

/** The target whose conditions hold. */
function choose(target: unknown, use: PackageUse): string | undefined {
  if (typeof target === "string") return target;
  if (typeof target !== "object" || target === null) return undefined;
  const entries = Array.isArray(target) ? target : Object.entries(target)
    .filter(([name]) => [use, "deno", "node", "default"].includes(name))
    .map(([, value]) => value);
  for (const entry of entries) {
    const chosen = choose(entry, use);
    if (chosen !== undefined) return chosen;
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
