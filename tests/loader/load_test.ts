import assert from "node:assert/strict";
import { ModuleLoader } from "../../src/loader/load.ts";
import { eventually } from "../harness/eventually.ts";
import { TempDir } from "../harness/temp_dir.ts";

const url = (name: string) => import.meta.resolve(`../jobs/${name}`);

async function assertStale(
  name: string,
  message: RegExp,
): Promise<void> {
  const stale: string[] = [];
  const loader = new ModuleLoader({
    stale: (module) => stale.push(module),
  });
  for (let i = 0; i < 2; i++) {
    await assert.rejects(
      loader.load(url(name), `./${name}`),
      (error: Error) => {
        assert.equal(error.name, "LoadError");
        assert.match(error.message, message);
        // deno-lint-ignore no-control-regex
        assert.doesNotMatch(error.message, /\n|\x1b/);
        return true;
      },
    );
  }
  assert.deepEqual(stale, [`./${name}`], "it is reported once");
}

Deno.test("a module with a syntax error is stale, and the error names the place", () =>
  assertStale(
    "broken/syntax_error.ts",
    /^Cannot load module \.\/broken\/syntax_error\.ts: .*syntax_error\.ts:2:14/,
  ));

Deno.test("a module whose import is missing is stale, and the error names both", () =>
  assertStale(
    "broken/missing_dependency.ts",
    /not_there\.ts.*missing_dependency\.ts:1/,
  ));

Deno.test("a module that throws at import is stale", () =>
  assertStale("throws_at_import.ts", /RangeError: no configuration$/));

Deno.test("a module that loads too slowly is stale, and works once it is there", async () => {
  await using folder = new TempDir();
  const path = folder.write(
    "slow.ts",
    "await new Promise((r) => setTimeout(r, 60)); export const slow = true;",
  );
  const stale: string[] = [];
  const loader = new ModuleLoader({
    limitMs: 10,
    stale: (module) => stale.push(module),
  });
  const load = () => loader.load(`file://${path}`, "./slow.ts");
  await assert.rejects(load(), /it did not finish loading in 0\.01 s$/);
  assert.deepEqual(stale, ["./slow.ts"]);
  await eventually(async () => assert.equal((await load()).slow, true));
});
