import { isAbsolute, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseReference } from "../job/reference.ts";
import { LoadError } from "./load_error.ts";
import { locate, shorten } from "./locate.ts";

/** What an operator allows a worker to import. */
export interface ImportRules {
  /** Absolute path of the folder below which job modules lie. */
  readonly root: string;
  /** The same, links resolved; found out if it is left out. */
  readonly realRoot?: string;
  /** Modules named on `mqk run`; with any, no other local one is allowed. */
  readonly modules: readonly string[];
  /** URLs under which remote modules are allowed. */
  readonly allowImport: readonly string[];
}

/** What was refused by a rule: to try it again is of no use. */
export class RefusedError extends LoadError {}

interface AllowedUrl {
  readonly origin: string;
  readonly segments: readonly string[];
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Decides what a worker may import. A message in a queue names a module, so
 * only what the operator allowed is ever loaded:
 *
 * - files below the root once links are resolved, not below `node_modules`;
 * - remote modules under an `--allow-import` URL: the same origin, and the
 *   same segments of the path, each as a whole;
 * - if modules were named on `mqk run`: of local files, only these;
 * - `mqk:` modules, which are part of the program.
 */
export class ImportAccess {
  readonly #root: string;
  readonly #realRoot: string;
  readonly #modules: readonly string[];
  readonly #allowed: readonly AllowedUrl[];

  /** @throws {LoadError} If a rule can't be read. */
  constructor({ root, realRoot, modules, allowImport }: ImportRules) {
    this.#root = root;
    try {
      this.#realRoot = realRoot ?? Deno.realPathSync(root);
    } catch (error) {
      throw new LoadError(
        `Cannot use root ${root}: it must be a folder that can be read`,
        { cause: error },
      );
    }
    // As in a reference: `jobs/x.ts` means `./jobs/x.ts`.
    this.#modules = modules.map((name) =>
      parseReference(`${name}#default`).module!
    );
    this.#allowed = allowImport.map(allowedUrl);
  }

  /** Modules named on `mqk run`, in their order. */
  get namedModules(): readonly string[] {
    return this.#modules;
  }

  /**
   * The URL to import for a module: of a file, its real path, so that a link
   * can't lead elsewhere later, and one file is one instance.
   *
   * @throws {LoadError} Saying what is required, if it is not allowed or not there.
   */
  resolve(module: string): string {
    const url = locate(module, this.#root);
    switch (url.protocol) {
      case "mqk:":
        return url.href;
      case "file:":
        return this.#resolveFile(module, url);
      case "https:":
      case "http:":
        return this.#resolveRemote(module, url);
      default:
        throw refused(
          module,
          "it must be a file below the root, an https: URL under an " +
            "--allow-import URL, or mqk:calculator",
        );
    }
  }

  #resolveFile(module: string, url: URL): string {
    const real = this.#realPath(module, url);
    if (
      this.#modules.length > 0 &&
      !this.#modules.some((named) => this.#isFile(named, real))
    ) {
      throw refused(
        module,
        `this worker calls only the modules named on mqk run: ${
          this.#modules.join(", ")
        }`,
      );
    }
    return pathToFileURL(real).href;
  }

  #realPath(module: string, url: URL): string {
    if (url.search !== "" || url.hash !== "") {
      throw refused(module, "a file must have no query and no second #");
    }
    let path: string;
    try {
      path = fileURLToPath(url);
    } catch (error) {
      throw refused(module, `it is not a path: ${(error as Error).message}`);
    }
    // Before the file system is asked: what lies outside is not even probed.
    if (!isBelow(this.#root, path) && !isBelow(this.#realRoot, path)) {
      throw this.#outside(module);
    }
    const real = realPath(module, path);
    if (!isBelow(this.#realRoot, real)) throw this.#outside(module);
    const folders = relative(this.#realRoot, real).toLowerCase().split(sep);
    if (folders.includes("node_modules")) {
      throw refused(module, "it must not lie below node_modules");
    }
    return real;
  }

  #outside(module: string): LoadError {
    return refused(
      module,
      `it must lie below the root ${this.#root}, links resolved`,
    );
  }

  /** Whether the named module is this file. One that is missing is none. */
  #isFile(named: string, real: string): boolean {
    const url = locate(named, this.#root);
    try {
      return url.protocol === "file:" && this.#realPath(named, url) === real;
    } catch {
      return false;
    }
  }

  #resolveRemote(module: string, url: URL): string {
    const flaw = flawOf(url);
    if (flaw !== undefined) throw refused(module, flaw);
    const isNamed = this.#modules.some((named) =>
      locate(named, this.#root).href === url.href
    );
    if (!isNamed && !this.#allowed.some((allowed) => isUnder(allowed, url))) {
      throw refused(
        module,
        this.#allowed.length === 0
          ? `remote modules need --allow-import=${bare(url)} on mqk run`
          : "it must lie under an --allow-import URL: " +
            `--allow-import=${bare(url)} on mqk run opens it`,
      );
    }
    return url.href;
  }
}

function allowedUrl(text: string): AllowedUrl {
  const url = URL.parse(text);
  const flaw = url === null || !/^https?:$/.test(url.protocol)
    ? "it must be an https: URL"
    : flawOf(url);
  if (flaw !== undefined) {
    throw new LoadError(`Cannot allow imports from ${shorten(text)}: ${flaw}`);
  }
  return { origin: url!.origin, segments: segmentsOf(url!) };
}

/** Why a remote URL is never allowed, if so. */
function flawOf(url: URL): string | undefined {
  if (url.username !== "" || url.password !== "") {
    return "a URL with a user name or password is refused";
  }
  if (url.protocol === "http:" && !LOOPBACK.test(url.hostname)) {
    return "it must be https: (http: is for this machine only)";
  }
  // A server may read these as a slash, and `..%2f` as a way up.
  if (/%2f|%5c/i.test(url.pathname)) {
    return "a path with an encoded slash is refused";
  }
  if (url.hash !== "") return "it must have no second #";
}

function bare(url: URL): string {
  return shorten(url.origin + url.pathname);
}

function segmentsOf(url: URL): string[] {
  return url.pathname.split("/").filter((segment) => segment !== "");
}

function isUnder({ origin, segments }: AllowedUrl, url: URL): boolean {
  const own = segmentsOf(url);
  return url.origin === origin &&
    segments.every((segment, index) => segment === own[index]);
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) &&
    !isAbsolute(way);
}

function realPath(module: string, path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? `${path} does not exist`
      : (error as Error).message;
    throw new LoadError(`Cannot find module ${shorten(module)}: ${reason}`, {
      cause: error,
    });
  }
}

function refused(module: string, required: string): RefusedError {
  return new RefusedError(`Cannot import ${shorten(module)}: ${required}`);
}
