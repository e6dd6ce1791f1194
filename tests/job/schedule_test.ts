import assert from "node:assert/strict";
import { ArgumentError } from "../../src/errors.ts";
import { decodeMessage } from "../../src/job/message.ts";
import { checkScheduleName } from "../../src/job/policy.ts";
import {
  decodeSchedule,
  encodeSchedule,
  scheduledMessage,
  type ScheduleSpec,
  specOf,
} from "../../src/job/schedule.ts";

const SPEC: ScheduleSpec = { job: "./jobs/x.ts#f", every: 300 };

Deno.test("the same schedule is the same text, in whatever order it is given", () => {
  const text = encodeSchedule({ ...SPEC, cron: undefined, args: [] });
  assert.equal(text, encodeSchedule(SPEC));
  assert.equal(
    text,
    encodeSchedule({
      result: true,
      retries: 3,
      ttl: 60,
      backoff: "exponential",
      missed: "last",
      ...SPEC,
    }),
  );
  assert.equal(text, encodeSchedule(specOf(decodeSchedule(text), "default")));
  assert.notEqual(text, encodeSchedule({ ...SPEC, args: [1] }));
});

Deno.test("a schedule comes back with all that it was given", () => {
  const spec: ScheduleSpec = {
    job: "./jobs/x.ts#f",
    args: [{ a: [1, "two", null] }, "\0"],
    cron: "0 3 * * *",
    timeZone: "Europe/Berlin",
    missed: "all",
    queue: "high",
    ttl: 7.5,
    retries: 0,
    backoff: { fixed: 60 },
    result: false,
  };
  assert.deepEqual(specOf(decodeSchedule(encodeSchedule(spec)), "high"), spec);
});

Deno.test("the message of a due time has the whole policy, and an id made of it", () => {
  const definition = decodeSchedule(encodeSchedule({
    ...SPEC,
    args: ["a", 1],
    ttl: 5,
    retries: 1,
    backoff: { fixed: 2 },
    result: false,
  }));
  const text = scheduledMessage(definition, "night-ly_1", 1_790_000_000_000);
  const { sentMs, ...message } = decodeMessage(text);
  // What the message leaves out is of no interest here.
  assert.deepEqual(JSON.parse(JSON.stringify(message)), {
    id: "night-ly_1.1790000000000",
    job: "./jobs/x.ts#f",
    args: ["a", 1],
    ttl: 5,
    retries: 1,
    backoff: { fixed: 2 },
    attempt: 1,
    result: false,
  });
  assert.ok(Math.abs(Date.now() - sentMs!) < 5000);
});

Deno.test("a schedule that can't be is refused in one line", () => {
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ every: undefined }, /either cron or every/],
    [{ cron: "0 3 * * *" }, /either cron or every/],
    [{ every: 0.5 }, /every 0\.5: it must be a whole number/],
    [{ every: 0 }, /every 0/],
    [{ every: 367 * 86_400 }, /366 days/],
    [{ timeZone: "UTC" }, /timeZone with every/],
    [{ every: undefined, cron: "0 0 31 4 *" }, /no such time ever comes/],
    [{ every: undefined, cron: "99 * * * *" }, /invalid value for minute/],
    [{ missed: "some" }, /missed "some"/],
    [{ ttl: -1 }, /ttl -1/],
    [{ delay: 1 }, /delay in a schedule/],
    [{ at: new Date() }, /at in a schedule/],
    [{ idempotencyKey: "k" }, /idempotencyKey in a schedule/],
    [{ job: "" }, /empty reference/],
    [{ args: [new Date()] }, /args\[0\]/],
    [{ args: ["x".repeat(600_000)] }, /at most 512 KiB/],
  ];
  for (const [fields, message] of wrong) {
    assert.throws(
      () => encodeSchedule({ ...SPEC, ...fields } as ScheduleSpec),
      (error: Error) => {
        assert.ok(error instanceof ArgumentError, error.stack);
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

Deno.test("a name that is no part of an id is refused", () => {
  for (const name of ["", "a b", "a.b", "ä", "x".repeat(65), 7 as never]) {
    assert.throws(() => checkScheduleName(name), ArgumentError);
  }
  checkScheduleName("A-z_9");
});

Deno.test("what a later version wrote is not read", () => {
  assert.throws(() => decodeSchedule('{"v":2,"every":1}'), /version 2/);
  assert.throws(() => decodeSchedule('{"v":1,"job":"x"}'), /either/);
  assert.throws(() => decodeSchedule(""));
});
