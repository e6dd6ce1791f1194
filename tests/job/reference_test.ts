import assert from "node:assert/strict";
import { ArgumentError } from "../../src/errors.ts";
import { parseReference, printReference } from "../../src/job/reference.ts";

const READ: readonly (readonly [string, string | null, readonly string[]])[] = [
  ["./jobs/calc.ts#sum", "./jobs/calc.ts", ["sum"]],
  ["../calc.ts#sum", "../calc.ts", ["sum"]],
  ["/srv/jobs/calc.ts#sum", "/srv/jobs/calc.ts", ["sum"]],
  ["C:\\jobs\\calc.ts#sum", "C:\\jobs\\calc.ts", ["sum"]],
  ["C:/jobs/calc.ts#sum", "C:/jobs/calc.ts", ["sum"]],
  ["file:///srv/calc.ts#sum", "file:///srv/calc.ts", ["sum"]],
  ["https://a.example/b.ts#sum", "https://a.example/b.ts", ["sum"]],
  ["mqk:calculator#sum", "mqk:calculator", ["sum"]],
  ["./calc.ts#Calculator.sum", "./calc.ts", ["Calculator", "sum"]],
  ["./calc.ts#Calculator::sum", "./calc.ts", ["Calculator", "sum"]],
  ["./calc.ts", "./calc.ts", []],
  ["./calc.ts#", "./calc.ts", []],
  ["mqk:calculator", "mqk:calculator", []],
  ["https://a.example/b.ts", "https://a.example/b.ts", []],
  ["jobs/calc.ts#sum", "./jobs/calc.ts", ["sum"]],
  ["calc#sum", "./calc", ["sum"]],
  ["./a#b/calc.ts#sum", "./a#b/calc.ts", ["sum"]],
  ["sum", null, ["sum"]],
  ["Calculator.sum", null, ["Calculator", "sum"]],
  ["Calculator::sum", null, ["Calculator", "sum"]],
  ["$größe_1", null, ["$größe_1"]],
];

for (const [text, module, path] of READ) {
  Deno.test(`reference ${text} is export [${path}] of ${module}`, () => {
    assert.deepEqual(parseReference(text), { module, path });
  });
}

Deno.test("what is printed reads as the same reference", () => {
  for (const [text] of READ) {
    const reference = parseReference(text);
    assert.deepEqual(parseReference(printReference(reference)), reference);
  }
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["", /empty/],
  ["  ", /empty/],
  ["#sum", /module before # is missing/],
  ["./calc.ts#a.b.c", /at most two levels.*got 3/],
  ["Calculator::sum.more", /at most two levels/],
  ["./calc.ts#a b", /"a b" is not the name/],
  ["./calc.ts#1st", /"1st" is not the name/],
  ["./calc.ts#Calculator.", /"" is not the name/],
  ["./calc.ts#Calculator.prototype", /"prototype"/],
  ["./calc.ts#prototype.sum", /"prototype"/],
  ["./calc.ts#__proto__", /"__proto__"/],
  ["Calculator.constructor", /"constructor"/],
  ["jobs/calc.ts", /is not the name/],
];

for (const [text, message] of REFUSED) {
  Deno.test(`reference ${JSON.stringify(text)} is refused with its reason`, () => {
    assert.throws(() => parseReference(text), (error: Error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(error.message, message);
      return true;
    });
  });
}
