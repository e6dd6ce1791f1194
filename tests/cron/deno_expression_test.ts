import assert from "node:assert/strict";
import { standardExpression } from "../../src/cron/deno_expression.ts";
import { CronTimes } from "../../src/job/cron.ts";

Deno.test("an expression of Deno.cron is one that all others read", () => {
  for (
    const [deno, standard] of [
      ["* * * * *", "* * * * *"],
      [
        "0-30/5 1,2,3 1/3 jan-mar mon-fri",
        "0-30/5 1,2,3 1-31/3 jan-mar mon-fri",
      ],
      ["5/10 8/1 * 3/2 *", "5-59/10 8-23/1 * 3-12/2 *"],
      ["0 0 * * 1", "0 0 * * SUN"],
      ["0 0 * * 2-6", "0 0 * * MON-FRI"],
      ["0 0 * * 1,7", "0 0 * * SUN,SAT"],
      ["0 0 * * 2/2", "0 0 * * MON-SAT/2"],
      ["0 0 * * */2", "0 0 * * */2"],
      ["0 0 * * 6#2", "0 0 * * FRI#2"],
      ["0 0 * * 6L", "0 0 * * FRIL"],
      ["0 0 * * L", "0 0 * * SAT"],
      ["0 0 LW * *", "0 0 LW * *"],
      ["0 0 15W\t* *", "0 0 15W * *"],
    ]
  ) {
    assert.equal(standardExpression(deno), standard, deno);
    new CronTimes(standard, "UTC");
  }
});

Deno.test("weekdays of Deno.cron are those that it means", () => {
  const days = (expression: string) => {
    const times = new CronTimes(standardExpression(expression), "UTC");
    // The first of June 2026 is a Monday.
    let ms = Date.parse("2026-05-31T12:00:00Z");
    const found: number[] = [];
    while ((ms = times.nextMs(ms)!) < Date.parse("2026-06-08T00:00:00Z")) {
      found.push(new Date(ms).getUTCDate());
    }
    return found;
  };
  assert.deepEqual(days("0 0 * * 2-6"), [1, 2, 3, 4, 5]);
  assert.deepEqual(days("0 0 * * 1"), [7]);
  assert.deepEqual(days("0 0 * * 7"), [6]);
  assert.deepEqual(days("0 0 * * */2"), [2, 4, 6, 7]);
  assert.deepEqual(days("0 0 3 * 2"), [1, 3]);
});
