/**
 * What job modules may be made of. The same in both programs: `deno task
 * test:binary` runs these with the compiled one.
 *
 * @module
 */
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { Project } from "./project.ts";

Deno.test("TypeScript with all that it adds to JavaScript runs", async () => {
  await using project = Project.open({
    "jobs/typed.ts": `
import { readFileSync } from "node:fs";
import type { Row } from "./types.ts";
import { type Other, twice } from "./twice.ts";
enum Color { Red, Green }
namespace Sizes { export const large = 3; }
function upper(_: unknown, context: ClassMethodDecoratorContext) {
  return function (this: Named) { return String(context.name) + this.name; };
}
class Named {
  constructor(readonly name: string) {}
  @upper get(): string { return ""; }
}
const loaded = await Promise.resolve("awaited");
export function all(row: Row, other?: Other) {
  return [row.n, twice(2), Color.Green, Color[0], Sizes.large,
    new Named("x").get(), loaded, typeof readFileSync, other ?? null];
}`,
    "jobs/types.ts": "export interface Row { n: number }",
    "jobs/twice.ts": `export interface Other { a: 1 }
export const twice = (n: number): number => 2 * n;`,
    "jobs/view.tsx": `
const React = { createElement: (tag: string, props: unknown, ...children: unknown[]) => ({ tag, props, children }) };
export default () => <a href="#">text</a>;`,
  });
  await project.run();

  assert.deepEqual(
    await project.call("./jobs/typed.ts#all", { n: 1 }),
    [1, 4, 1, "Red", 3, "getx", "awaited", "function", null],
  );
  assert.deepEqual(await project.call("./jobs/view.tsx"), {
    tag: "a",
    props: { href: "#" },
    children: ["text"],
  });
});

Deno.test("import.meta, JSON and the import map are those of the user's file", async () => {
  await using project = Project.open({
    "deno.jsonc": "{}",
    "jobs/meta.ts": `
import data from "./data.json" with { type: "json" };
import { shared } from "shared";
import { other } from "lib/other.ts";
export const meta = () => [import.meta.url, import.meta.dirname,
  import.meta.filename, import.meta.main, import.meta.resolve("./x.ts")];
export const values = () => [data.k, shared, other];`,
    "jobs/data.json": '{ "k": 1 }',
    "lib/shared.ts": 'export const shared = "shared";',
    "lib/other.ts": 'export const other = "other";',
  });
  project.dir.write(
    "deno.json",
    `{ // with a comment
      "imports": { "shared": "./lib/shared.ts", "lib/": "./lib/", },
    }`,
  );
  await project.run();

  const { path } = project.dir;
  const url = (name: string) => pathToFileURL(`${path}/jobs/${name}`).href;
  assert.deepEqual(await project.call("./jobs/meta.ts#meta"), [
    url("meta.ts"),
    `${path}/jobs`,
    `${path}/jobs/meta.ts`,
    false,
    url("x.ts"),
  ]);
  assert.deepEqual(await project.call("./jobs/meta.ts#values"), [
    1,
    "shared",
    "other",
  ]);
});

Deno.test("a module is one instance, however it is imported, and cycles work", async () => {
  await using project = Project.open({
    "a.ts": `
import { count } from "./db.ts";
import { fromB } from "./b.ts";
export const one = () => count();
export const viaB = () => fromB();
export const dynamic = async () => (await import("./d" + "b.ts")).count();`,
    "b.ts": `
import { one } from "./a.ts";
export const fromB = () => one();
export default () => one();`,
    "db.ts": "let n = 0; export const count = () => ++n;",
  });
  await project.run();

  assert.equal(await project.call("./a.ts#one"), 1);
  assert.equal(await project.call("./a.ts#viaB"), 2);
  assert.equal(await project.call("./a.ts#dynamic"), 3);
  assert.equal(await project.call("./b.ts"), 4);
  assert.equal(await project.call("./db.ts#count"), 5);
});

Deno.test("stacks and messages name the user's file and line", async () => {
  await using project = Project.open({
    "fails.ts": `interface Gone {
  a: number;
}
import { deep } from "./deep.ts";
export function fails(gone?: Gone) {
  deep(gone);
}`,
    "deep.ts": `type Gone = unknown;

export function deep(_: Gone) {
  throw new Error("deep");
}`,
    "plain.js": `

export default () => { throw new Error("plain"); };`,
    "syntax.ts": "\nexport const = 1;",
    "missing.ts":
      'import { nothing } from "./deep.ts";\nexport default nothing;',
    "absent.ts": 'export { x as default } from "./nowhere.ts";',
  });
  await project.run();

  const { stack } = await project.failing("./fails.ts#fails");
  assert.match(stack!, /at deep \(file:[^)]*\/deep\.ts:4:9\)/);
  assert.match(stack!, /at fails \(file:[^)]*\/fails\.ts:6:3\)/);
  assert.match(
    (await project.failing("./plain.js")).stack!,
    /\/plain\.js:3:/,
  );
  assert.match((await project.failing("./syntax.ts")).message, /syntax\.ts:2:/);
  const missing = await project.failing("./missing.ts");
  assert.match(missing.message, /deep\.ts' does not provide .*'nothing'/);
  assert.match(missing.message, /missing\.ts:1:/);
  assert.match((await project.failing("./absent.ts")).message, /nowhere\.ts/);
});

Deno.test("@mqk/core in a job is the program's own copy", async () => {
  await using project = Project.open({
    "deno.json": "{}",
    "jobs.ts": `
import { currentJob, invoke, NoRetry } from "@mqk/core";
import * as ranged from "jsr:@mqk/core@^0.1";
export const attempt = () => currentJob().attempt;
export const same = async () => [
  ranged.currentJob === currentJob,
  (await import("jsr:@mqk/core")).invoke === invoke,
];
export const ends = () => { throw new NoRetry("enough"); };
export const sends = async () =>
  await (await invoke("mqk:calculator#sum", 1, 2)).result();`,
  });
  await project.run();

  assert.equal(await project.call("./jobs.ts#attempt"), 1);
  assert.deepEqual(await project.call("./jobs.ts#same"), [true, true]);
  assert.equal(await project.call("./jobs.ts#sends"), 3);
  assert.match((await project.failing("./jobs.ts#ends")).message, /enough/);
});
