import assert from "node:assert/strict";
import {
  decodeFailedEntry,
  decodeOutcome,
  encodeFailedEntry,
  encodeOutcome,
  errorData,
  type Outcome,
} from "../../src/job/outcome.ts";

const OUTCOMES: readonly Outcome[] = [
  { kind: "done", json: "" },
  { kind: "done", json: "3" },
  { kind: "done", json: "9007199254740993" },
  { kind: "done", json: '"!"' },
  { kind: "done", json: "[]" },
  {
    kind: "failed",
    error: { name: "Error", message: "no\u0000", stack: "at x" },
    attempts: 4,
  },
  { kind: "not_serializable", message: "a function" },
  { kind: "too_large", message: "" },
];

Deno.test("an outcome is decoded as it was encoded", () => {
  for (const outcome of OUTCOMES) {
    assert.deepEqual(decodeOutcome(encodeOutcome(outcome)), outcome);
  }
});

Deno.test("a result is stored as its JSON and nothing else", () => {
  assert.equal(encodeOutcome({ kind: "done", json: '{"a":1}' }), '{"a":1}');
});

Deno.test("an error keeps its name, message and stack", () => {
  const error = new RangeError("too far");
  assert.deepEqual(errorData(error), {
    name: "RangeError",
    message: "too far",
    stack: error.stack,
  });
});

Deno.test("what looks like an error, from another realm, is read as one", () => {
  assert.deepEqual(errorData({ name: "Mail", message: "no such box" }), {
    name: "Mail",
    message: "no such box",
  });
});

Deno.test("anything else that was thrown is an error with its text", () => {
  assert.deepEqual(errorData("gone"), { name: "Error", message: "gone" });
  assert.deepEqual(errorData(undefined), {
    name: "Error",
    message: "undefined",
  });
  assert.match(errorData({ code: 7 }).message, /code: 7/);
});

Deno.test("an error is cut to 16 KiB, and says so", () => {
  const error = new Error("m".repeat(100_000));
  error.name = "n".repeat(1_000);
  error.stack = "s".repeat(100_000);
  const data = errorData(error);
  const text = JSON.stringify(data);
  assert.ok(text.length < 16_384 + 400, `${text.length}`);
  assert.ok(data.name.startsWith("nnn") && data.name.length < 300);
  assert.ok(data.message.endsWith("m [cut]"));
  assert.ok(data.stack!.endsWith("s [cut]"));
});

Deno.test("an error whose parts throw is still an error", () => {
  const hostile = {
    name: "E",
    get message(): string {
      throw new Error("no");
    },
  };
  assert.deepEqual(errorData(hostile), {
    name: "Error",
    message: "The job threw what can't be printed",
  });
});

Deno.test("an entry of the failed set is decoded as it was encoded", () => {
  const entry = {
    message: '{"v":1,"job":"x"}\u0000🦕',
    error: { name: "Error", message: "no" },
    attempts: 4,
    uid: "u",
  };
  assert.deepEqual(decodeFailedEntry(encodeFailedEntry(entry)), entry);
});
