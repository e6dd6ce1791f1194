import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parseReference } from "../../src/job/reference.ts";
import { ImportAccess } from "../../src/loader/access.ts";
import { JobFunctions } from "../../src/loader/functions.ts";
import { ModuleLoader } from "../../src/loader/load.ts";

const ROOT = fileURLToPath(import.meta.resolve("../jobs"));

function functions(...modules: string[]): JobFunctions {
  return new JobFunctions(
    new ImportAccess({ root: ROOT, modules, allowImport: [] }),
    new ModuleLoader({ stale: () => {} }),
  );
}

async function call(
  functions: JobFunctions,
  text: string,
  ...args: unknown[]
): Promise<unknown> {
  const found = await functions.find(parseReference(text), text);
  assert.equal(functions.known(text), found);
  return found.call.apply(found.self, args);
}

async function assertRefused(
  functions: JobFunctions,
  text: string,
  message: RegExp,
): Promise<void> {
  await assert.rejects(call(functions, text), { name: "LoadError", message });
  assert.equal(functions.known(text), undefined);
}

Deno.test("a reference means an export, a static method, or the default export", async () => {
  const all = functions();
  assert.equal(await call(all, "./calculator.ts#sum", 1, 2), 3);
  assert.equal(await call(all, "calculator.ts#sum", 1, 2), 3);
  assert.equal(await call(all, "./calculator.ts", 1), -1);
  assert.equal(await call(all, "./calculator.ts#Calculator.add", 1, 2), 3);
  assert.equal(await call(all, "mqk:calculator#sum", 1, 2), 3);
});

Deno.test("what is no function that can be called is refused with the reason", async () => {
  const all = functions();
  const refusals: Record<string, RegExp> = {
    "./calculator.ts#sam": /exports Calculator, default, sum, version$/,
    "./more_sums.ts": /the default export of .* exports product, sum$/,
    "./calculator.ts#version": /it must be a function, it is number/,
    "./calculator.ts#Calculator": /it is a class; name a static method/,
    "./calculator.ts#Calculator.multiply": /make it static/,
    "./calculator.ts#Calculator.factor": /must be a function/,
    "./calculator.ts#Calculator.divide": /Calculator itself has add$/,
    "./calculator.ts#Calculator.call": /Calculator itself has add$/,
    "./calculator.ts#sum.call": /itself has nothing that can be called$/,
    "./calculator.ts#version.toFixed": /version is no class or object/,
    "./calculator.ts#toString": /the module exports/,
    "mqk:calc#sum": /the program has mqk:calculator$/,
  };
  for (const [text, message] of Object.entries(refusals)) {
    await assertRefused(all, text, message);
  }
});

Deno.test("a bare name is found in the modules named on mqk run", async () => {
  const named = functions("./calculator.ts", "more_sums.ts");
  assert.equal(await call(named, "product", 2, 3), 6);
  assert.equal(await call(named, "Calculator.add", 2, 3), 5);
  assert.equal(await call(named, "Calculator::add", 2, 3), 5);
  await assertRefused(named, "sum", /more than one module exports sum/);
  await assertRefused(named, "quotient", /no module named on mqk run exports/);
  await assertRefused(named, "Calculator.multiply", /make it static/);
});

Deno.test("a module that is named twice does not make its names ambiguous", async () => {
  const named = functions("./calculator.ts", "./../jobs/calculator.ts");
  assert.equal(await call(named, "sum", 2, 3), 5);
});

Deno.test("a bare name without named modules is refused", async () => {
  await assertRefused(
    functions(),
    "sum",
    /none is named; required is <module>/,
  );
});
