import { readFileSync } from "node:fs";
import { init, parse } from "npm:cjs-module-lexer@2.3.0";
import type { Packages } from "./packages.ts";

/**
 * An ES module that stands for a CommonJS file: `module.exports` is its
 * default export, and what can be read from the source are its named ones.
 */
export async function commonJsFacade(
  path: string,
  source: string,
  runtime: string,
  packages: Packages,
): Promise<string> {
  await init();
  const names = exportNames(path, source, packages, new Set());
  names.delete("default");
  const lines = [
    `import { linkedRequire } from ${JSON.stringify(runtime)};`,
    `const exports = linkedRequire(${JSON.stringify(path)});`,
    "export default exports;",
  ];
  let number = 0;
  for (const name of names) {
    const local = `export${number++}`;
    const text = JSON.stringify(name);
    lines.push(`const ${local} = exports?.[${text}];`);
    lines.push(`export { ${local} as ${text} };`);
  }
  return lines.join("\n") + "\n";
}

/** What a file exports, and what it exports again from others. */
function exportNames(
  path: string,
  source: string,
  packages: Packages,
  seen: Set<string>,
): Set<string> {
  const names = new Set<string>();
  if (seen.has(path)) return names;
  seen.add(path);
  let found: ReturnType<typeof parse>;
  try {
    found = parse(source, path);
  } catch {
    return names;
  }
  for (const name of found.exports) names.add(name);
  for (const specifier of found.reexports) {
    try {
      const target = packages.required(specifier, path);
      if (target === undefined || !/\.c?js$/.test(target)) continue;
      const text = readFileSync(target, "utf8");
      for (const name of exportNames(target, text, packages, seen)) {
        names.add(name);
      }
    } catch {
      // The error comes when it is required.
    }
  }
  return names;
}
