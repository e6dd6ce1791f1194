import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, extname } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import { nativePackage } from "./load_error.ts";
import { isPath, Packages } from "./packages.ts";

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

  /** `module.exports` of a file. */
  load(path: string): unknown {
    return this.#load(path, undefined).exports;
  }

  /** A `require` that resolves from a file. */
  requireFrom(from: string, parent?: CommonJsModule): Require {
    const require = (specifier: string) => {
      const found = this.#resolve(specifier, from);
      return isBuiltin(found)
        ? process.getBuiltinModule(found)
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
      "(function (exports, require, module, __filename, __dirname) { " +
        `${source.replace(/^#!/, "//")}\n})`,
      { filename: pathToFileURL(filename).href },
    );
    run.call(
      module.exports,
      module.exports,
      module.require,
      module,
      filename,
      dirname(filename),
    );
  }

  #isEsModule(path: string, extension: string): boolean {
    return extension === ".js" && this.#packages.type(path) === "module";
  }
}
