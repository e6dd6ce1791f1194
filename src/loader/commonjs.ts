import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, extname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import { init, parse } from "npm:es-module-lexer@3.0.5/minimal";
import { builtinModule } from "./builtins.ts";
import { linkedImport } from "./linked.ts";
import { nativePackage } from "./load_error.ts";
import { isPath, Packages } from "./packages.ts";
import { escapeImports } from "./unseen_imports.ts";

/** As long as what it replaces, so that columns stay. */
const IMPORT = "$mqk_i";

/** What a CommonJS file sees as `module`. */
interface CommonJsModule {
  exports: unknown;
  readonly id: string;
  readonly filename: string;
  readonly path: string;
  loaded: boolean;
  readonly children: CommonJsModule[];
  readonly parent: CommonJsModule | undefined;
  readonly paths: readonly string[];
  readonly require: Require;
}

interface Require {
  (specifier: string): unknown;
  resolve(specifier: string): string;
  cache: Record<string, CommonJsModule | undefined>;
  main: undefined;
}

/**
 * `require` for the compiled program, where the runtime's own finds only what
 * was compiled into it. Each file runs once.
 */
export class CommonJs {
  readonly #packages = new Packages();
  readonly #cache: Record<string, CommonJsModule | undefined> = Object.create(
    null,
  );
  readonly #confined: boolean;

  /**
   * To be used when {@linkcode CommonJs.ready} has resolved.
   *
   * @param confined Nothing but this loader checks what modules import.
   */
  constructor(confined: boolean) {
    this.#confined = confined;
  }

  /** Loads what is needed to read `import()` in a file. */
  static ready(): Promise<void> {
    return init();
  }

  /** `module.exports` of a file. */
  load(path: string): unknown {
    return this.#load(path, undefined).exports;
  }

  /** A `require` that resolves from a file. */
  requireFrom(from: string, parent?: CommonJsModule): Require {
    const require = (specifier: string) => {
      const found = this.#resolve(specifier, from);
      return isBuiltin(found)
        ? builtinModule(found, this.#confined)
        : this.#load(found, parent).exports;
    };
    return Object.assign(require, {
      resolve: (specifier: string) => this.#resolve(specifier, from),
      cache: this.#cache,
      main: undefined,
    });
  }

  #resolve(specifier: string, from: string): string {
    if (isBuiltin(specifier)) return specifier;
    if (specifier.startsWith("file:")) specifier = fileURLToPath(specifier);
    const found = this.#packages.required(specifier, from);
    if (found !== undefined) return found;
    const message = `Cannot find module '${specifier}', required by ${from}`;
    const hint = isPath(specifier)
      ? ""
      : `; run npm install ${specifier.split("/")[0]}`;
    throw Object.assign(new Error(message + hint), {
      code: "MODULE_NOT_FOUND",
    });
  }

  #load(path: string, parent: CommonJsModule | undefined): CommonJsModule {
    const known = this.#cache[path];
    if (known !== undefined) return known;
    const module = this.#module(path, parent);
    this.#cache[path] = module;
    try {
      this.#run(module);
    } catch (error) {
      delete this.#cache[path];
      throw error;
    }
    module.loaded = true;
    return module;
  }

  #module(path: string, parent: CommonJsModule | undefined): CommonJsModule {
    const module: CommonJsModule = {
      exports: {},
      id: path,
      filename: path,
      path: dirname(path),
      loaded: false,
      children: [],
      parent,
      paths: [],
      get require() {
        return require;
      },
    };
    const require = this.requireFrom(path, module);
    parent?.children.push(module);
    return module;
  }

  #run(module: CommonJsModule): void {
    const { filename } = module;
    const extension = extname(filename);
    if (extension === ".node") throw nativePackage(filename);
    const source = readFileSync(filename, "utf8");
    const url = pathToFileURL(filename).href;
    if (extension === ".json") {
      module.exports = JSON.parse(source);
      return;
    }
    if (extension === ".mjs" || this.#isEsModule(filename, extension)) {
      throw Object.assign(
        new Error(`Cannot require ${filename}: it is an ES module; import it`),
        { code: "ERR_REQUIRE_ESM" },
      );
    }
    const run = vm.runInThisContext(
      "(function (exports, require, module, __filename, __dirname, " +
        `${IMPORT}) { ${this.#linked(source.replace(/^#!/, "//"))}\n})`,
      { filename: url },
    );
    run.call(
      module.exports,
      module.exports,
      module.require,
      module,
      filename,
      dirname(filename),
      linkedImport(url),
    );
  }

  /** The same code with an `import()` that finds what modules find. */
  #linked(source: string): string {
    const pieces: string[] = [];
    const add = (text: string) =>
      pieces.push(this.#confined ? escapeImports(text) : text);
    let end = 0;
    for (const { ss, d } of dynamicImports(source)) {
      if (d < 0) continue;
      add(source.slice(end, ss));
      pieces.push(IMPORT);
      end = ss + "import".length;
    }
    add(source.slice(end));
    return pieces.join("");
  }

  #isEsModule(path: string, extension: string): boolean {
    return extension === ".js" && this.#packages.type(path) === "module";
  }
}

/** None where the lexer does not understand the file. */
function dynamicImports(source: string): ReturnType<typeof parse>[0] {
  if (!source.includes("import")) return [];
  try {
    return parse(source)[0];
  } catch {
    return [];
  }
}
