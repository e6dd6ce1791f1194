/** Packages from npm, the same in both programs. */
import assert from "node:assert/strict";
import { Project } from "./project.ts";

/** Fills the project's `node_modules`. */
async function install(project: Project): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet"],
    cwd: project.dir.path,
  }).spawn().status;
  assert.ok(success);
}

Deno.test("a project with npm packages and a shared module has the same results in both programs", async () => {
  await using project = Project.open({
    "jobs.ts": `
import ms from "ms";
import { nanoid } from "npm:nanoid@5.1.5";
import { z } from "zod";
import { insert } from "./db.ts";
import { again, parse } from "./other.ts";
export const all = () => [nanoid().length, ms("2 days"),
  z.object({ a: z.number() }).safeParse({ a: "x" }).success, parse === z.parse,
  insert(), again()];`,
    "other.ts": `
import * as zod from "npm:zod@3.25.76";
import { insert } from "./db.ts";
export const again = () => insert();
export const parse = zod.z.parse;`,
    "db.ts": "let rows = 0; export const insert = () => ++rows;",
  });
  project.dir.write(
    "deno.json",
    JSON.stringify({
      nodeModulesDir: "auto",
      imports: {
        ms: "npm:ms@2.1.3",
        nanoid: "npm:nanoid@5.1.5",
        zod: "npm:zod@3.25.76",
      },
    }),
  );
  await install(project);
  await project.run();

  assert.deepEqual(
    await project.call("./jobs.ts#all"),
    [21, 172_800_000, false, true, 1, 2],
  );
});

Deno.test('a project with "nodeModulesDir": "manual" uses packages', async () => {
  await using project = Project.open({
    "deno.json": JSON.stringify({ nodeModulesDir: "manual" }),
    "package.json": JSON.stringify({ dependencies: { ms: "2.1.3" } }),
    "jobs.ts": `
import ms from "npm:ms@2.1.3";
export const days = (text: string) => ms(text) / 86_400_000;`,
  });
  await install(project);
  Deno.removeSync(`${project.dir.path}/package.json`);
  await project.run();

  assert.equal(await project.call("./jobs.ts#days", "3 days"), 3);
});

Deno.test("a project with nothing but a package.json finds its packages by their names", async () => {
  await using project = Project.open({
    "package.json": JSON.stringify({
      dependencies: { ms: "2.1.3", milliseconds: "npm:ms@2.1.3" },
    }),
    "jobs.ts": `
import ms from "ms";
import same from "milliseconds";
export const days = (text: string) => [ms(text) / 86_400_000, typeof same];`,
  });
  Deno.removeSync(`${project.dir.path}/deno.json`);
  await install(project);
  await project.run();

  assert.deepEqual(
    await project.call("./jobs.ts#days", "3 days"),
    [3, "function"],
  );
});
