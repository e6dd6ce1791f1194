import assert from "node:assert/strict";
import { Histogram } from "../../src/time/histogram.ts";

function isNear(actual: number | undefined, expected: number): void {
  assert.ok(
    actual !== undefined && Math.abs(actual / expected - 1) < 0.1,
    `${actual} is not near ${expected}`,
  );
}

Deno.test("quantiles are known to within a tenth, from microseconds to days", () => {
  for (const unit of [0.002, 1, 60_000, 86_400_000 / 100]) {
    const histogram = new Histogram();
    for (let i = 1; i <= 100; i++) histogram.add(i * unit);
    isNear(histogram.quantile(0.5), 50 * unit);
    isNear(histogram.quantile(0.99), 99 * unit);
  }
});

Deno.test("one that stands for many weighs as many", () => {
  const histogram = new Histogram();
  for (let i = 0; i < 10; i++) histogram.add(1000);
  histogram.add(1, 16);
  isNear(histogram.quantile(0.5), 1);
  isNear(histogram.quantile(0.99), 1000);
});

Deno.test("what was counted in two places is merged, also from text", () => {
  const [first, second] = [new Histogram(), new Histogram()];
  for (let i = 0; i < 60; i++) first.add(2);
  for (let i = 0; i < 40; i++) second.add(300);
  first.merge(Histogram.parse(second.toString()));
  isNear(first.quantile(0.6), 2);
  isNear(first.quantile(0.61), 300);
});

Deno.test("of nothing, and of what can't be read, there is no quantile", () => {
  for (const text of ["", "x", "1:-2", "1:x", "1.5:3", ":,:"]) {
    assert.equal(Histogram.parse(text).quantile(0.5), undefined, text);
  }
});
