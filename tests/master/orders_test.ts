import assert from "node:assert/strict";
import {
  parseOrder,
  parseReport,
  printOrder,
  printReport,
} from "../../src/master/orders.ts";

Deno.test("an order is one line that reads back as it was", () => {
  const line = printOrder({ order: "drain" });
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.deepEqual(parseOrder(line.trimEnd()), { order: "drain" });
});

Deno.test("a report is one line that only who knows the nonce reads", () => {
  const report = {
    report: "fatal",
    line: "two\nlines",
    exitCode: 1,
  } as const;
  const line = printReport("nonce", report);
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.deepEqual(parseReport("nonce", line.trimEnd()), report);
  assert.equal(parseReport("other", line.trimEnd()), undefined);
});
