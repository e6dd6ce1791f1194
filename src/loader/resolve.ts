import { isBuiltin } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { LoadError } from "./load_error.ts";
import { Packages, splitSpecifier } from "./packages.ts";
import type { ProjectConfig } from "./project_config.ts";

/** The library itself: a job gets the program's own copy. */
export const CORE = "mqk:core";

export const CORE_SPECIFIER: RegExp = /^(jsr:\/?)?@mqk\/core(@[^/]*)?$/;

/** What an import specifier means, in a project. */
export class Resolver {
  readonly packages: Packages = new Packages();
  readonly #config: ProjectConfig;

  constructor(config: ProjectConfig) {
    this.#config = config;
  }

  /**
   * The URL that an import in the module `referrer` means: `file:`, `https:`,
   * `http:`, `data:`, `blob:`, `node:`, or {@linkcode CORE}.
   *
   * @throws {LoadError} If there is none, saying what to install.
   */
  resolve(specifier: string, referrer: string): string {
    if (CORE_SPECIFIER.test(specifier)) return CORE;
    // Inside a package its own dependencies count, not the project's map.
    const mapped = referrer.includes("/node_modules/")
      ? specifier
      : this.#config.mapped(specifier, referrer) ?? specifier;
    if (CORE_SPECIFIER.test(mapped)) return CORE;
    if (/^(\.{0,2}\/)/.test(mapped)) {
      return this.#real(new URL(mapped, referrer).href);
    }
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(mapped)?.[1].toLowerCase();
    switch (scheme) {
      case undefined:
        return isBuiltin(mapped)
          ? `node:${mapped}`
          : this.#package(mapped, mapped, referrer);
      case "file":
        return this.#real(new URL(mapped).href);
      case "https":
      case "http":
        return new URL(mapped).href;
      case "data":
      case "blob":
      case "node":
        return mapped;
      case "npm":
      case "jsr":
        return this.#package(packageSpecifier(mapped), mapped, referrer);
    }
    throw new LoadError(
      `Cannot import ${specifier} from ${referrer}: unknown scheme ${scheme}:`,
    );
  }

  #package(specifier: string, asked: string, referrer: string): string {
    // A remote module's packages are those of nobody.
    const found = referrer.startsWith("file:")
      ? this.packages.find(specifier, fileURLToPath(referrer), "import")
      : undefined;
    if (found !== undefined) return pathToFileURL(found).href;
    throw new LoadError(
      `Cannot import ${asked} from ${referrer}: it is not installed; ` +
        `run ${installCommand(specifier, asked)}, so that it lies in ` +
        "node_modules beside the module",
    );
  }

  /** One file is one instance, whatever links lead to it. */
  #real(url: string): string {
    if (!url.startsWith("file:")) return url;
    try {
      const { search, hash } = new URL(url);
      const path = Deno.realPathSync(fileURLToPath(url));
      return pathToFileURL(path).href + search + hash;
    } catch {
      // The error comes when it is read.
      return url;
    }
  }
}

/** The name in `node_modules` of `npm:name@range/part` or `jsr:...`. */
function packageSpecifier(specifier: string): string {
  const plain = specifier.replace(/^(npm|jsr):\/?/, "");
  const { name, subpath } = splitSpecifier(plain);
  const at = name.indexOf("@", 1);
  const bare = at === -1 ? name : name.slice(0, at);
  // As the npm registry of JSR names them.
  const installed = specifier.startsWith("jsr:")
    ? `@jsr/${bare.slice(1).replace("/", "__")}`
    : bare;
  return installed + subpath.slice(1);
}

function installCommand(specifier: string, asked: string): string {
  const { name } = splitSpecifier(specifier);
  if (asked.startsWith("jsr:")) {
    const own = splitSpecifier(asked.replace(/^jsr:\/?/, "")).name;
    return `npx jsr add ${own}`;
  }
  const range = /^npm:\/?(?:@[^/]+\/)?[^/@]+(@[^/]+)?/.exec(asked)?.[1] ?? "";
  return `npm install ${name}${range}`;
}
