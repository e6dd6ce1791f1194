/**
 * Packages in `node_modules` beside the job: in the compiled program they need
 * no installation by Deno, only the files.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Project } from "../loader/project.ts";

/** Packages as npm would lay them out. */
const PACKAGES: Readonly<Record<string, string>> = {
  "node_modules/esm/package.json":
    '{ "name": "esm", "type": "module", "exports": { ".": { "import": "./i.js", "require": "./no.js" }, "./part": "./part.js" } }',
  "node_modules/esm/i.js":
    'import { n } from "dep"; import cjs from "cjs"; export const esm = n; export const own = cjs;',
  "node_modules/esm/part.js": "export default import.meta.url;",
  "node_modules/dep/package.json": '{ "name": "dep", "main": "lib/main" }',
  "node_modules/dep/lib/main.js":
    "exports.n = require('./n.json').n; exports.name = __filename;",
  "node_modules/dep/lib/n.json": '{ "n": 7 }',
  "node_modules/cjs/package.json": '{ "name": "cjs", "main": "i.js" }',
  "node_modules/cjs/i.js": `
let calls = 0;
const { join } = require("path");
module.exports = { next: () => ++calls, join: join("a", "b"), deep: require("inner") };
module.exports.named = "named";`,
  "node_modules/cjs/node_modules/inner/index.js": "module.exports = 'inner';",
  "node_modules/native/package.json": '{ "name": "native", "main": "x.node" }',
  "node_modules/native/x.node": "\x7fELF",
};

Deno.test("packages run, ES and CommonJS, with their own packages, one instance each", async () => {
  await using project = Project.open({
    ...PACKAGES,
    "jobs.ts": `
import { createRequire } from "node:module";
import { esm, own } from "esm";
import part from "esm/part";
import cjs, { named } from "cjs";
const require = createRequire(import.meta.url);
export const all = () => [esm, part.endsWith("/esm/part.js"), cjs.join, named,
  cjs.deep, own === cjs, require("cjs") === cjs, own.next(), cjs.next()];`,
  });
  await project.run();

  assert.deepEqual(
    await project.call("./jobs.ts#all"),
    [7, true, "a/b", "named", "inner", true, true, 1, 2],
  );
});

Deno.test("a package that is not there, or not for this program, fails its job with one line", async () => {
  await using project = Project.open({
    ...PACKAGES,
    "absent.ts": 'import x from "npm:nanoid@5"; export default () => x;',
    "native.ts": 'import x from "native"; export default () => x;',
    "style.css": "a {}",
    "style.ts": 'import "./style.css"; export default () => 1;',
    "bare.ts": 'import x from "nothing-here"; export default () => x;',
    "good.ts": "export default () => 1;",
  });
  await project.run();

  for (
    const [job, reason] of [
      ["./absent.ts", /nanoid.*install/],
      ["./bare.ts", /nothing-here.*npm install/],
      ["./native.ts", /native packages do not run/],
      ["./style.ts", /\.css.*type: "text"/],
    ] as const
  ) {
    const { message } = await project.failing(job);
    assert.match(message, reason);
    assert.ok(!message.includes("\n"), message);
  }
  assert.equal(await project.call("./good.ts"), 1);
});
