import assert from "node:assert/strict";
import {
  escapeImports,
  escapeWithinStatement,
} from "../../src/loader/unseen_imports.ts";

const URL = "data:text/javascript,export const reached = 1";

Deno.test("no escaped code imports, however the keyword is written", () => {
  for (
    const code of [
      `import("${URL}")`,
      `import ("${URL}")`,
      `import/**/("${URL}")`,
      `import\n// why\n("${URL}")`,
      `[import("${URL}")]`,
      `\`\${import("${URL}")}\``,
      `/x/.test("") || import("${URL}")`,
      `import.meta.resolve("x")`,
    ]
  ) {
    assert.throws(
      () => new Function(`return ${escapeImports(code)}`),
      SyntaxError,
      code,
    );
  }
});

Deno.test("no escaped module imports or exports again", async () => {
  for (
    const code of [
      `import { reached } from "${URL}"`,
      `import"${URL}"`,
      `export { reached } from "${URL}"`,
      `export * from"${URL}"`,
      `export * from/**/'${URL}'`,
      `export * as all from\n// why\n"${URL}"`,
    ]
  ) {
    const load = (text: string) =>
      import(`data:text/javascript,${encodeURIComponent(text)}`);
    await load(code);
    await assert.rejects(load(escapeImports(code)), code);
  }
});

Deno.test("code that does not import means the same when it is escaped", () => {
  const code = `
    /* import("a") from "b" */
    const from = { import: 1, from: 2, important: 3 };
    const read = ({ import: a, from: b }) => [a, b, "import from 'x'"];
    return [
      ...read(from), from.import, from ["from"], \`import \${from.from}\`,
      /^import$/.test("import"), Array.from("ab"), 8 / from / 2 || "nan",
    ];`;
  const escaped = escapeImports(code);
  assert.notEqual(escaped, code);
  assert.deepEqual(new Function(escaped)(), new Function(code)());
});

Deno.test("a static import keeps its own keyword only", () => {
  assert.equal(
    escapeWithinStatement(`import { import as a } from `),
    `import { \\u0069mport as a } from `,
  );
  assert.equal(
    escapeWithinStatement(`export { a } /* import(b) */ from `),
    `export { a } /* \\u0069mport(b) */ from `,
  );
});
