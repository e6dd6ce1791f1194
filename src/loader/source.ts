import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Sandbox } from "../master/orders.ts";
import { checkModuleFile } from "./confinement.ts";
import { LoadError, nativePackage } from "./load_error.ts";
import { shorten } from "./locate.ts";
import {
  contentTypeOf,
  type RemoteModules,
  type RemoteSource,
} from "./remote.ts";
import type { Resolver } from "./resolve.ts";

/** A module as it was read. */
export type Loaded =
  | {
    readonly kind: "module";
    readonly source: string;
    readonly extension: string;
    /** Where it is after all redirects: its imports are relative to it. */
    readonly url: string;
    /** A `.js` file of a package that does not say what it is. */
    readonly isPackage: boolean;
  }
  | {
    readonly kind: "commonjs";
    readonly source: string;
    readonly path: string;
  }
  /** Its default export, as JavaScript: JSON, text, bytes. */
  | { readonly kind: "value"; readonly expression: string };

const SCRIPTS = new Set([
  ".js",
  ".mjs",
  ".jsx",
  ".ts",
  ".mts",
  ".cts",
  ".tsx",
]);

/** How content types of servers are read; else the extension counts. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  "application/javascript": ".js",
  "application/ecmascript": ".js",
  "application/x-javascript": ".js",
  "text/javascript": ".js",
  "text/jsx": ".jsx",
  "application/typescript": ".ts",
  "application/x-typescript": ".ts",
  "text/typescript": ".ts",
  "text/tsx": ".tsx",
  "video/mp2t": ".ts",
  "video/vnd.dlna.mpeg-tts": ".ts",
  "application/json": ".json",
  "text/json": ".json",
};

const INLINE = /^(data|blob):/;

/** Reads modules, from files and from servers. */
export class SourceLoader {
  readonly #remote: RemoteModules;
  readonly #resolver: Resolver;
  readonly #sandbox: Sandbox | undefined;

  constructor(remote: RemoteModules, resolver: Resolver, sandbox?: Sandbox) {
    this.#remote = remote;
    this.#resolver = resolver;
    this.#sandbox = sandbox;
  }

  /**
   * Reads a module; `type` is that of the import's attributes.
   *
   * @throws {LoadError} If it can't be read, or nobody knows what it is.
   */
  load(url: string, type: string | undefined): Promise<Loaded> {
    return url.startsWith("file:")
      ? this.#local(url, type)
      : this.#fetched(url, type);
  }

  async #local(url: string, type: string | undefined): Promise<Loaded> {
    if (this.#sandbox !== undefined) {
      checkModuleFile(url, this.#sandbox, { runtimeChecks: false });
    }
    const path = fileURLToPath(url);
    if (type === "bytes") return bytesValue(await read(path));
    const extension = extname(path).toLowerCase();
    if (type === "text") {
      return textValue(new TextDecoder().decode(await read(path)));
    }
    if (extension === ".node") throw nativePackage(path);
    const source = new TextDecoder().decode(await read(path));
    if (extension === ".json") return jsonValue(source, url, type);
    const packageType = this.#resolver.packages.type(path);
    if (
      extension === ".cjs" ||
      ((extension === ".js" || extension === "") && packageType === "commonjs")
    ) return { kind: "commonjs", source, path };
    const isPackage = packageType === undefined &&
      path.includes("node_modules") && extension === ".js";
    return script(source, extension === "" ? ".js" : extension, url, isPackage);
  }

  async #fetched(url: string, type: string | undefined): Promise<Loaded> {
    const { url: at, contentType, text } = INLINE.test(url)
      ? await inline(url)
      : await this.#remote.get(url);
    if (type === "text") return textValue(text);
    const known = CONTENT_TYPES[contentType];
    if (known === undefined && /^text\/html/.test(contentType)) {
      throw new LoadError(
        `Cannot use ${shorten(at)}: its server sent ${contentType}; ` +
          "required is JavaScript or TypeScript",
      );
    }
    const own = INLINE.test(at)
      ? ""
      : extname(new URL(at).pathname).toLowerCase();
    // Servers often call TypeScript plain text, or JavaScript.
    const extension = SCRIPTS.has(own) || own === ".json" ? own : known;
    if (extension === ".json") return jsonValue(text, at, type);
    return script(text, extension ?? own, at, false);
  }
}

/** What a URL holds that needs no server. */
async function inline(url: string): Promise<RemoteSource> {
  const response = await fetch(url);
  const contentType = contentTypeOf(response);
  return { url, contentType, text: await response.text() };
}

function script(
  source: string,
  extension: string,
  url: string,
  isPackage: boolean,
): Loaded {
  if (!SCRIPTS.has(extension)) {
    throw new LoadError(
      `Cannot import ${shorten(url)}: nobody knows how to run ` +
        `${extension === "" ? "this file" : extension}; required is ` +
        'JavaScript, TypeScript or JSON, or an import with { type: "text" }',
    );
  }
  return { kind: "module", source, extension, url, isPackage };
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = (error as { code?: string }).code === "ENOENT"
      ? "it does not exist"
      : (error as Error).message;
    throw new LoadError(`Cannot read ${path}: ${reason}`, { cause: error });
  }
}

function jsonValue(
  text: string,
  url: string,
  type: string | undefined,
): Loaded {
  if (type !== "json") {
    throw new LoadError(
      `Cannot import ${shorten(url)}: JSON needs with { type: "json" }`,
    );
  }
  try {
    JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`${(error as Error).message} at ${url}`);
  }
  return { kind: "value", expression: `JSON.parse(${JSON.stringify(text)})` };
}

function textValue(text: string): Loaded {
  return { kind: "value", expression: JSON.stringify(text) };
}

function bytesValue(bytes: Uint8Array): Loaded {
  const text = bytes.toBase64();
  return { kind: "value", expression: `Uint8Array.fromBase64("${text}")` };
}
