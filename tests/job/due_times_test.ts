import assert from "node:assert/strict";
import { DueTimes, type Missed } from "../../src/job/due_times.ts";

const NOON = Date.parse("2026-05-01T12:00:00Z");
const MINUTE = 60_000;
const DAY = 86_400_000;

function every(seconds: number, missed: Missed = "last"): DueTimes {
  return new DueTimes({ every: seconds, missed });
}

Deno.test("every so many seconds means the multiples since 1970", () => {
  assert.equal(every(300).nextMs(NOON), NOON + 300_000);
  assert.equal(every(300).nextMs(NOON - 1), NOON);
  assert.equal(every(7).nextMs(NOON)! % 7000, 0);
});

Deno.test("each due time that is up to 15 seconds late is fired", () => {
  const due = every(5, "none").due(NOON, NOON + 15_000);
  assert.deepEqual(due, {
    firedMs: [NOON, NOON + 5000, NOON + 10_000, NOON + 15_000],
    nextMs: NOON + 20_000,
  });
  const second = every(1).due(NOON, NOON + 999);
  assert.deepEqual(second, { firedMs: [NOON], nextMs: NOON + 1000 });
});

Deno.test("of due times that were missed the last is fired, all or none", () => {
  const nowMs = NOON + 30 * MINUTE + 1;
  const nextMs = NOON + 35 * MINUTE;
  assert.deepEqual(every(300).due(NOON, nowMs), {
    firedMs: [NOON + 30 * MINUTE],
    nextMs,
  });
  assert.deepEqual(every(300, "none").due(NOON, nowMs), {
    firedMs: [],
    nextMs,
  });
  assert.deepEqual(every(300, "all").due(NOON, nowMs), {
    firedMs: Array.from({ length: 7 }, (_, i) => NOON + i * 5 * MINUTE),
    nextMs,
  });
});

Deno.test("a long time without workers is made up for a hundred jobs at a time", () => {
  const times = every(1, "all");
  const first = times.due(NOON, NOON + DAY);
  assert.equal(first.firedMs.length, 100);
  assert.equal(first.nextMs, NOON + 100_000);
});

Deno.test("the last due time of a long while is found at once", () => {
  const startedMs = performance.now();
  for (
    const [cron, last] of [
      ["* * * * * *", "2026-05-01T12:00:00Z"],
      ["0 3 * * *", "2026-05-01T03:00:00Z"],
      ["* * 3 * * *", "2026-05-01T03:59:59Z"],
      ["0 0 1 1 *", "2026-01-01T00:00:00Z"],
      ["0 0 29 2 *", "2024-02-29T00:00:00Z"],
    ]
  ) {
    const times = new DueTimes({ cron, missed: "last" });
    const dueMs = times.nextMs(Date.parse("2020-01-01T00:00:00Z"))!;
    const { firedMs, nextMs } = times.due(dueMs, NOON);
    assert.deepEqual(firedMs, [Date.parse(last)], cron);
    assert.equal(nextMs, times.nextMs(NOON), cron);
  }
  assert.ok(performance.now() - startedMs < 2000);
});

Deno.test("a cron expression goes by UTC unless a time zone is given", () => {
  const missed = "last";
  const utc = new DueTimes({ cron: "0 15 * * *", missed });
  assert.equal(utc.nextMs(NOON), NOON + 180 * MINUTE);
  const berlin = new DueTimes({
    cron: "0 15 * * *",
    timeZone: "Europe/Berlin",
    missed,
  });
  assert.equal(berlin.nextMs(NOON), NOON + 60 * MINUTE);
});

Deno.test("an expression that is over has no next time", () => {
  const times = new DueTimes({ cron: "0 0 12 1 5 * 2026", missed: "last" });
  assert.deepEqual(times.due(NOON, NOON), {
    firedMs: [NOON],
    nextMs: undefined,
  });
  assert.deepEqual(times.due(NOON, NOON + DAY), {
    firedMs: [NOON],
    nextMs: undefined,
  });
});
