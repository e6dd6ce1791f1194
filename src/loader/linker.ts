import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { RefusedError } from "./access.ts";
import { unwritable, writeFile } from "./cache.ts";
import { builtinFacade, checkBuiltin } from "./builtins.ts";
import { commonJsFacade } from "./commonjs_facade.ts";
import { CORE, type Resolver } from "./resolve.ts";
import type { Loaded, SourceLoader } from "./source.ts";
import type { ModuleReference, Transformer } from "./transform.ts";
import { escapeImports, escapeWithinStatement } from "./unseen_imports.ts";

/** One module of the graph: one instance, however many import it. */
interface Linked {
  /** What `import()` gets. */
  readonly url: string;
  /** Its own file is written; settled anew if that has failed. */
  ready: Promise<void>;
  failed: boolean;
  dependencies: readonly Linked[];
}

/** What the linker needs. */
export interface LinkerParts {
  readonly resolver: Resolver;
  readonly sources: SourceLoader;
  readonly transformer: Transformer;
  /** A folder of this process alone. */
  readonly runFolder: string;
  readonly cacheFolder: string;
  /** URL of the module through which linked modules find the job thread. */
  readonly runtime: string;
  /** URL of the program's own copy of the library. */
  readonly core: string;
  /** Nothing but this linker checks what modules import. */
  readonly confined: boolean;
}

/**
 * Writes each module of a graph into a folder of this process, as JavaScript
 * whose imports name the other files there. A file is written once, before it
 * is imported, so nobody sees a file that changes, and a deploy mixes nothing.
 */
export class Linker {
  readonly #parts: LinkerParts;
  readonly #modules = new Map<string, Linked>();
  #originals: (readonly [string, string])[] = [];

  constructor(parts: LinkerParts) {
    this.#parts = parts;
  }

  /**
   * Makes a module and all that it imports ready; answers with the URL to
   * import.
   *
   * @throws {Error} If one of them can't be had.
   */
  async link(url: string, type: string | undefined): Promise<string> {
    const entry = this.#prepare(url, type);
    const seen = new Set<Linked>([entry]);
    // It grows while it is walked: each one brings its own.
    for (const module of seen) {
      await module.ready;
      for (const dependency of module.dependencies) seen.add(dependency);
    }
    return entry.url;
  }

  /** What was linked since the last call: its URL, and what it was. */
  takeOriginals(): readonly (readonly [string, string])[] {
    return this.#originals.splice(0);
  }

  #prepare(url: string, type: string | undefined): Linked {
    const fixed = this.#fixed(url);
    if (fixed !== undefined) {
      return {
        url: fixed,
        ready: Promise.resolve(),
        failed: false,
        dependencies: [],
      };
    }
    const key = `${type ?? ""} ${url}`;
    let module = this.#modules.get(key);
    if (module === undefined) {
      const file = join(this.#parts.runFolder, `${this.#modules.size}.js`);
      module = {
        url: pathToFileURL(file).href,
        ready: Promise.resolve(),
        failed: true,
        dependencies: [],
      };
      this.#modules.set(key, module);
      this.#originals.push([module.url, url]);
    }
    if (module.failed) {
      const started = module;
      started.failed = false;
      started.ready = this.#write(started, url, type);
      // Awaited when the graph is walked; another branch may fail first.
      started.ready.catch(() => started.failed = true);
    }
    return module;
  }

  /** What needs no file: modules of the runtime and of the program. */
  #fixed(url: string): string | undefined {
    if (url === CORE) return this.#parts.core;
    if (!url.startsWith("node:")) return undefined;
    if (this.#parts.confined) checkBuiltin(url);
    return this.#facade(url) === undefined ? url : undefined;
  }

  async #write(
    module: Linked,
    url: string,
    type: string | undefined,
  ): Promise<void> {
    const text = this.#facade(url) ?? await this.#text(module, url, type);
    try {
      writeFile(fileURLToPath(module.url), text);
    } catch (error) {
      throw unwritable(this.#parts.cacheFolder, error);
    }
  }

  #facade(url: string): string | undefined {
    return builtinFacade(url, this.#parts.runtime, this.#parts.confined);
  }

  async #text(
    module: Linked,
    url: string,
    type: string | undefined,
  ): Promise<string> {
    const loaded = await this.#parts.sources.load(url, type);
    if (loaded.kind === "module" && loaded.url !== url) {
      return this.#redirected(module, loaded, type);
    }
    switch (loaded.kind) {
      case "value":
        return `export default ${loaded.expression};\n`;
      case "commonjs":
        return commonJsFacade(
          loaded.path,
          loaded.source,
          this.#parts.runtime,
          this.#parts.resolver.packages,
        );
      case "module":
        return this.#moduleText(module, loaded);
    }
  }

  /** After a redirect: the instance is that of the last URL. */
  async #redirected(
    module: Linked,
    { source, extension, url }: Extract<Loaded, { kind: "module" }>,
    type: string | undefined,
  ): Promise<string> {
    const target = this.#prepare(url, type);
    module.dependencies = [target];
    const { hasDefault } = await this.#parts.transformer
      .transform(source, extension, url);
    const from = JSON.stringify(target.url);
    return `export * from ${from};\n` +
      (hasDefault ? `export { default } from ${from};\n` : "");
  }

  async #moduleText(
    module: Linked,
    { source, extension, url, isPackage }: Extract<Loaded, { kind: "module" }>,
  ): Promise<string> {
    const { resolver, transformer, runtime, confined } = this.#parts;
    const { code, mappings, references, hasModuleSyntax } = await transformer
      .transform(source, extension, url);
    if (isPackage && !hasModuleSyntax) {
      return commonJsFacade(
        fileURLToPath(url),
        source,
        runtime,
        resolver.packages,
      );
    }
    const dependencies: Linked[] = [];
    const pieces: string[] = [];
    let end = 0;
    const between = (start: number, end?: number) => {
      const text = code.slice(start, end);
      return confined ? escapeImports(text) : text;
    };
    for (const reference of references) {
      if (reference.kind === "static") {
        const { statementStart, start } = reference;
        const statement = code.slice(statementStart, start);
        pieces.push(
          between(end, statementStart),
          confined ? escapeWithinStatement(statement) : statement,
        );
        const target = resolver.resolve(reference.specifier!, url);
        const dependency = this.#prepare(target, reference.type);
        dependencies.push(dependency);
        pieces.push(staticImport(code, reference, dependency.url));
        end = reference.statementEnd!;
      } else {
        pieces.push(between(end, reference.start));
        pieces.push(reference.kind === "meta" ? META : IMPORT);
        end = reference.end;
      }
    }
    pieces.push(between(end));
    module.dependencies = dependencies;
    return prelude(references, url, runtime) + pieces.join("") +
      sourceMap(url, mappings);
  }
}

/** As long as what they replace, so that columns stay. */
const META = "__mqk_meta_";
const IMPORT = "$mqk_i";

/** The first line of a linked module: what stands for `import` inside it. */
function prelude(
  references: readonly ModuleReference[],
  url: string,
  runtime: string,
): string {
  if (!references.some(({ kind }) => kind !== "static")) return "\n";
  return `import { linkedMeta as ${META}0, linkedImport as ${IMPORT}0 } from ${
    JSON.stringify(runtime)
  }; const ${META} = ${META}0(${JSON.stringify(url)}), ${IMPORT} = ${IMPORT}0(${
    JSON.stringify(url)
  });\n`;
}

/** The rest of a static import: its quoted name, without attributes. */
function staticImport(
  code: string,
  { end, statementEnd }: ModuleReference,
  url: string,
): string {
  const rest = code.slice(end, statementEnd);
  // Quotes are around the specifier already; lines must stay.
  const attributes = rest.slice(1).replace(/[^\n]/g, "");
  return url + rest[0] + attributes;
}

function sourceMap(url: string, mappings: string): string {
  const map = {
    version: 3,
    sources: [url],
    names: [],
    mappings: `;${mappings}`,
  };
  const encoded = btoa(
    JSON.stringify(map).replace(
      /[^\0-\x7f]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  );
  return `\n//# sourceMappingURL=data:application/json;base64,${encoded}\n`;
}

/** An error as far as a message between threads tells it. */
export function linkError(error: unknown): { name: string; message: string } {
  const { name = "Error", message = String(error) } = error as Error;
  return {
    name: error instanceof RefusedError ? "RefusedError" : name,
    message,
  };
}
