import assert from "node:assert/strict";
import { parseArgument } from "../../src/cli/argument.ts";

Deno.test("an argument that is JSON is read as JSON", () => {
  for (
    const [text, value] of [
      ["1", 1],
      ["-1.50", -1.5],
      ["1e3", 1000],
      ["0.1", 0.1],
      ["0", 0],
      ["1E-7", 1e-7],
      ["100000000000000000000", 1e20],
      ["true", true],
      ["null", null],
      ['"1"', "1"],
      ['{"to":["a",2]}', { to: ["a", 2] }],
    ] as const
  ) {
    assert.deepEqual(parseArgument(text), value, text);
  }
});

Deno.test("an argument whose digits JSON would lose is text", () => {
  for (
    const text of [
      "9007199254740993",
      "0.12345678901234567890",
      "1e400",
      "1e-400",
      '{"id":9007199254740993}',
      "[1,[12345678901234567890]]",
    ]
  ) {
    assert.equal(parseArgument(text), text);
  }
});

Deno.test("an argument that is not JSON is text", () => {
  for (const text of ["hello", "", "007", "+1", "a b", "{a:1}", "NaN"]) {
    assert.equal(parseArgument(text), text);
  }
});
