import { init, parse } from "npm:es-module-lexer@3.0.5/minimal";
import type { ModuleCache } from "./cache.ts";
import { LoadError } from "./load_error.ts";
import type { ProjectConfig } from "./project_config.ts";
import { Transpiler } from "./transpiler.ts";

/** Where a module refers to others, as offsets in its code. */
export interface ModuleReference {
  readonly kind: "static" | "dynamic" | "meta";
  readonly start: number;
  readonly end: number;
  /** Of a static import: what is between the quotes. */
  readonly specifier?: string;
  /** Of a static import: the whole statement, attributes included. */
  readonly statementStart?: number;
  readonly statementEnd?: number;
  /** `type` of its attributes. */
  readonly type?: string;
}

/** A module as JavaScript, its imports not yet resolved. */
export interface TransformedModule {
  readonly code: string;
  /** Of its source map, to the one file that it was. */
  readonly mappings: string;
  readonly references: readonly ModuleReference[];
  /** It has an import, an export or `import.meta`. */
  readonly hasModuleSyntax: boolean;
  readonly hasDefault: boolean;
}

/** Changed whenever the same file becomes other code. */
const VERSION = 1;
const TRANSPILED = /^\.([mc]?ts|tsx|jsx)$/;

/** Turns the text of a file into a module that can be linked. */
export class Transformer {
  readonly #cache: ModuleCache;
  readonly #config: ProjectConfig;
  readonly #transpiler = new Transpiler();

  constructor(cache: ModuleCache, config: ProjectConfig) {
    this.#cache = cache;
    this.#config = config;
  }

  /**
   * Transforms a file; TypeScript only once, for all workers.
   *
   * @throws {SyntaxError} Naming file, line and column.
   */
  async transform(
    source: string,
    extension: string,
    url: string,
  ): Promise<TransformedModule> {
    const { code, mappings } = TRANSPILED.test(extension)
      ? await this.#transpile(source, extension, url)
      // Without its shebang, which must be on the first line.
      : { code: source.replace(/^#!/, "//"), mappings: lineMappings(source) };
    await init();
    try {
      const [imports, exports] = parse(code);
      return {
        code,
        mappings,
        references: imports.map((found) => reference(found, code)),
        hasModuleSyntax: exports.length > 0 || imports.some(({ d }) => d < 0),
        hasDefault: exports.some(({ n }) => n === "default"),
      };
    } catch (error) {
      const { idx = 0 } = error as { idx?: number };
      const before = code.slice(0, idx).split("\n");
      throw new SyntaxError(
        `Cannot parse it at ${url}:${before.length}:${
          before.at(-1)!.length + 1
        }`,
        { cause: error },
      );
    }
  }

  async #transpile(
    source: string,
    extension: string,
    url: string,
  ): Promise<{ code: string; mappings: string }> {
    const { compilerOptions } = this.#config;
    const key = JSON.stringify([VERSION, extension, compilerOptions, source]);
    const kept = this.#cache.read("code", key);
    if (kept !== undefined) return JSON.parse(kept.text);
    const result = await this.#transpiler.transpile({
      source,
      extension,
      compilerOptions,
    });
    if ("error" in result) {
      const { error, line, column } = result;
      throw new SyntaxError(`${error} at ${url}:${line}:${column}`);
    }
    this.#cache.write("code", key, JSON.stringify(result));
    return result;
  }
}

type Found = ReturnType<typeof parse>[0][number];

function reference(found: Found, code: string): ModuleReference {
  const { n, s, e, ss, se, d, a } = found;
  if (d === -2) return { kind: "meta", start: ss, end: se };
  if (d >= 0) return { kind: "dynamic", start: ss, end: ss + "import".length };
  if (n === undefined) {
    throw new LoadError(`Cannot read the import ${code.slice(ss, se)}`);
  }
  const type = a === -1
    ? undefined
    : /\btype\s*['"]?\s*:\s*["'](\w+)["']/.exec(code.slice(a, se))?.[1];
  return {
    kind: "static",
    start: s,
    end: e,
    specifier: n,
    statementStart: ss,
    statementEnd: se,
    ...(type !== undefined && { type }),
  };
}

/** Mappings of a file to itself, line by line. */
function lineMappings(source: string): string {
  return "AAAA" + ";AACA".repeat(source.split("\n").length - 1);
}
