/**
 * `deno task compile`: builds the program `dist/mqk` for this machine, or with
 * `--target <triple>` for another one, with the `deno` that runs this.
 * `--output <file>` puts it elsewhere.
 *
 * The time to start grows with what is embedded, about 7 ms a megabyte. So each
 * npm package goes in as one small file, and the TypeScript compiler
 * compressed.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants } from "node:zlib";

const ROOT = join(import.meta.dirname!, "..");
const BUILD = join(ROOT, "dist", "build");
const TYPESCRIPT = "npm:typescript@5.9.3";
/** What no import statement of the entry leads to. */
const INCLUDED = [
  "mod.ts",
  "src/loader/linked.ts",
  "src/loader/module_thread.ts",
  "src/loader/transpiler_thread.ts",
  "src/thread/main.ts",
  "dist/build/typescript.js.br",
];

/** For CommonJS inside a bundle: all else than Node's modules is in it. */
const REQUIRE = `import process from "node:process";
const require = (name) => process.getBuiltinModule(name);
`;

const { values } = parseArgs({
  args: Deno.args,
  options: { target: { type: "string" }, output: { type: "string" } },
});
const windows = values.target?.includes("windows") ??
  Deno.build.os === "windows";
const output = values.output ??
  join(ROOT, "dist", windows ? "mqk.exe" : "mqk");

Deno.mkdirSync(BUILD, { recursive: true });
const imports: Record<string, string> = { [TYPESCRIPT]: "./nothing.js" };
Deno.writeTextFileSync(join(BUILD, "nothing.js"), "export default {};\n");
for (const specifier of npmSpecifiers()) {
  if (specifier === TYPESCRIPT) continue;
  const name = specifier.replace(/[^\w.-]+/g, "_");
  imports[specifier] = `./${name}.js`;
  const path = join(BUILD, `${name}.js`);
  if (existsSync(path)) continue;
  await bundle(specifier, `${path}.bundle`);
  Deno.writeTextFileSync(
    path,
    REQUIRE + Deno.readTextFileSync(`${path}.bundle`),
  );
}
await packTypeScript();
const importMap = join(BUILD, "import_map.json");
Deno.writeTextFileSync(importMap, JSON.stringify({ imports }, null, 2));
await deno(
  "compile",
  "--quiet",
  "--allow-all",
  // Types are checked by `deno task check`, with the newest Deno.
  "--no-check",
  "--no-lock",
  "--unstable-worker-options",
  "--import-map",
  importMap,
  ...INCLUDED.flatMap((path) => ["--include", path]),
  ...(values.target === undefined ? [] : ["--target", values.target]),
  "--output",
  output,
  "cli.ts",
);
const megabytes = Deno.statSync(output).size / 1e6;
console.log(`${output}: ${megabytes.toFixed(0)} MB`);

/** The npm packages that the program imports, as its sources name them. */
function npmSpecifiers(): string[] {
  const found = new Set<string>();
  const look = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = join(folder, name);
      if (isDirectory) look(path);
      else if (name.endsWith(".ts")) {
        const text = Deno.readTextFileSync(path);
        for (const [, specifier] of text.matchAll(/"(npm:[^"]+@\d[^"]*)"/g)) {
          found.add(specifier);
        }
      }
    }
  };
  look(join(ROOT, "src"));
  return [...found].sort();
}

/** Writes a package and all that it needs as one ES module, once. */
async function bundle(
  specifier: string,
  path: string,
  options: readonly string[] = [],
): Promise<void> {
  const entry = `${path}.entry.ts`;
  const name = JSON.stringify(specifier);
  // Each by name: of a CommonJS package the bundler does not know them.
  const names = Object.keys(await import(specifier))
    .filter((name) => /^[\w$]+$/.test(name) && name !== "module.exports");
  Deno.writeTextFileSync(
    entry,
    `export { ${names.join(", ")} } from ${name};\n`,
  );
  await deno(
    "bundle",
    "--quiet",
    "--minify",
    ...options,
    "--output",
    path,
    entry,
  );
}

async function packTypeScript(): Promise<void> {
  const plain = join(BUILD, "typescript.js");
  if (existsSync(`${plain}.br`)) return;
  await bundle(TYPESCRIPT, plain, ["--external", "source-map-support"]);
  // The body of a function that returns it: cheaper to load than a module.
  const text = Deno.readTextFileSync(plain)
    .replace(/\bexport\s*\{[^}]*?([\w$]+) as default[^}]*\};?/, "return $1;");
  const packed = brotliCompressSync(text, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    },
  });
  Deno.writeFileSync(`${plain}.br`, packed);
}

async function deno(...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
  }).spawn().status;
  if (!success) Deno.exit(1);
}
