import assert from "node:assert/strict";
import { parseHandle, printHandle } from "../../src/client/handle.ts";
import { ArgumentError } from "../../src/errors.ts";

const HANDLE = {
  id: "kV3xQ0b7Zt.17",
  queue: "a_B.9-",
  dueMs: 1_784_000_000_123,
  kept: true,
};

Deno.test("a handle keeps queue, id, time and whether the result is kept", () => {
  for (const kept of [true, false]) {
    const text = printHandle({ ...HANDLE, kept });
    assert.deepEqual(parseHandle(text), { ...HANDLE, kept });
  }
});

Deno.test("a handle needs no quotes in a shell", () => {
  assert.match(printHandle({ ...HANDLE, kept: false }), /^[\w./-]+$/);
});

Deno.test("what is no handle is refused", () => {
  const good = printHandle(HANDLE);
  for (
    const text of [
      "",
      HANDLE.id,
      good + "/",
      good + "/+",
      good + "/-/-",
      good.replace("a_B", "a}B"),
      good.replace(".17", ".x"),
      good.replace(/[^/]*$/, ""),
      undefined as unknown as string,
    ]
  ) {
    assert.throws(() => parseHandle(text), ArgumentError, text);
  }
});
