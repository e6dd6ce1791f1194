import assert from "node:assert/strict";
import { retryDelayMs } from "../../src/job/retry.ts";

Deno.test("exponential backoff waits 2ⁿ seconds after failed attempt n", () => {
  const middle = () => 0.5;
  const delays = [1, 2, 3, 10].map((n) =>
    retryDelayMs("exponential", n, middle)
  );
  assert.deepEqual(delays, [2_000, 4_000, 8_000, 1_024_000]);
});

Deno.test("chance makes exponential backoff three to five quarters as long", () => {
  assert.equal(retryDelayMs("exponential", 4, () => 0), 12_000);
  assert.equal(retryDelayMs("exponential", 4, () => 1), 20_000);
});

Deno.test("exponential backoff is never above an hour, however many attempts", () => {
  for (const attempt of [12, 31, 1000]) {
    assert.equal(retryDelayMs("exponential", attempt, () => 1), 3_600_000);
  }
});

Deno.test("exponential backoff is never below a second", () => {
  assert.equal(retryDelayMs("exponential", 0, () => 0), 1_000);
});

Deno.test("without a source of chance, delays differ and stay in their range", () => {
  const delays = Array.from(
    { length: 50 },
    () => retryDelayMs("exponential", 5),
  );
  assert.ok(new Set(delays).size > 1);
  assert.ok(delays.every((ms) => ms >= 24_000 && ms <= 40_000));
});

Deno.test("fixed backoff waits as long after each attempt, also not at all", () => {
  assert.equal(retryDelayMs({ fixed: 1.5 }, 1), 1_500);
  assert.equal(retryDelayMs({ fixed: 1.5 }, 900), 1_500);
  assert.equal(retryDelayMs({ fixed: 7_200 }, 1), 7_200_000);
  assert.equal(retryDelayMs({ fixed: 0 }, 3), 0);
});
