import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseJsonc } from "./jsonc.ts";
import { LoadError } from "./load_error.ts";

type Specifiers = Readonly<Record<string, string>>;

interface ImportMap {
  readonly imports?: Specifiers;
  readonly scopes?: Readonly<Record<string, Specifiers>>;
}

interface Config extends ImportMap {
  readonly importMap?: string;
  readonly compilerOptions?: Readonly<Record<string, unknown>>;
}

/** What the `deno.json(c)` of a root says about its modules. */
export class ProjectConfig {
  /** As in the file. */
  readonly compilerOptions: Readonly<Record<string, unknown>>;
  readonly #map: ImportMap;
  /** The file that has the import map: its paths are relative to it. */
  readonly #base: string;

  private constructor(config: Config, map: ImportMap, base: string) {
    this.compilerOptions = config.compilerOptions ?? {};
    this.#map = map;
    this.#base = base;
  }

  /**
   * Reads the configuration of a folder, if it has one.
   *
   * @throws {LoadError} If it can't be read.
   */
  static read(root: string): ProjectConfig {
    const found = ["deno.json", "deno.jsonc"]
      .map((name) => readConfig(join(root, name)))
      .find((file) => file !== undefined);
    const { config = {}, url = pathToFileURL(`${root}/`).href } = found ?? {};
    if (config.importMap === undefined || config.imports !== undefined) {
      return new ProjectConfig(config, config, url);
    }
    const map = new URL(config.importMap, url);
    const file = map.protocol === "file:" ? readConfig(map) : undefined;
    if (file === undefined) {
      throw new LoadError(
        `Cannot use the import map ${map.href} that ${url} names: ` +
          "there is no such file",
      );
    }
    return new ProjectConfig(config, file.config, file.url);
  }

  /** What the import map makes of a specifier; nothing if it has no entry. */
  mapped(specifier: string, referrer: string): string | undefined {
    const scopes = Object.entries(this.#map.scopes ?? {})
      .map(([scope, map]) => [new URL(scope, this.#base).href, map] as const)
      .filter(([scope]) =>
        referrer === scope ||
        (scope.endsWith("/") && referrer.startsWith(scope))
      )
      .sort(([a], [b]) => b.length - a.length)
      .map(([, map]) => map);
    const url = /^\.{0,2}\//.test(specifier)
      ? URL.parse(specifier, referrer)?.href
      : undefined;
    for (const map of [...scopes, this.#map.imports ?? {}]) {
      const target = this.#find(specifier, map) ??
        (url === undefined ? undefined : this.#findUrl(url, map));
      if (target !== undefined) return target;
    }
  }

  #find(specifier: string, map: Specifiers): string | undefined {
    const exact = Object.hasOwn(map, specifier) ? map[specifier] : undefined;
    if (exact !== undefined) return this.#absolute(exact);
    const [key, value] = Object.entries(map)
      // Deno's own addition: an entry for a package is one for its parts too.
      .map(([key, value]) =>
        /^(npm|jsr):[^]*[^/]$/.test(value) && !key.endsWith("/")
          ? [`${key}/`, `${value}/`]
          : [key, value]
      )
      .filter(([key]) => key.endsWith("/") && specifier.startsWith(key))
      .sort(([a], [b]) => b.length - a.length)[0] ?? [];
    if (key === undefined) return undefined;
    return this.#absolute(value + specifier.slice(key.length));
  }

  /** Entries whose key is a path. */
  #findUrl(url: string, map: Specifiers): string | undefined {
    for (const [key, value] of Object.entries(map)) {
      if (!/^(\.{0,2}\/|[a-z]+:)/.test(key)) continue;
      const from = URL.parse(key, this.#base)?.href;
      if (from === url) return this.#absolute(value);
      if (from?.endsWith("/") && url.startsWith(from)) {
        return this.#absolute(value + url.slice(from.length));
      }
    }
  }

  #absolute(target: string): string {
    return /^\.{0,2}\//.test(target)
      ? new URL(target, this.#base).href
      : target;
  }
}

function readConfig(
  path: string | URL,
): { config: Config; url: string } | undefined {
  const url = typeof path === "string" ? pathToFileURL(path).href : path.href;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    // In a sandbox a file that is not there can't even be asked for.
    if (/Requires read access/.test((error as Error).message)) return undefined;
    throw new LoadError(
      `Cannot read ${url}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  try {
    return { config: parseJsonc(text) as Config, url };
  } catch (error) {
    throw new LoadError(
      `Cannot read ${url}: it must be JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
