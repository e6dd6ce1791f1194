import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Case, Sample } from "../bench/case.ts";
import { busyWarning } from "../bench/machine.ts";
import type { Measured } from "../bench/measure.ts";
import { median, percentile, spread } from "../bench/statistics.ts";
import {
  printNumber,
  printTable,
  rowsOf,
  timesAsGood,
  verdicts,
} from "../bench/table.ts";

const DRAIN: Case = {
  name: "drain/test",
  title: "drain",
  figures: [{
    key: "rate",
    label: "",
    unit: "/s",
    higherIsBetter: true,
    target: { value: 100_000, bullmq: 20, share: 0.6 },
  }],
  subjects: {},
  missing: { beeQueue: "has no such mode" },
};

function sample(rate: number, counted = 10): Sample {
  return {
    values: { rate },
    checks: [{ what: "jobs run", expected: 10, counted }],
  };
}

function measured(options: Partial<Measured> = {}): Measured {
  return {
    case: DRAIN,
    samples: {
      mqk: [sample(220_000), sample(200_000), sample(180_000)],
      limit: [sample(400_000)],
      bullmq: [sample(8_000)],
    },
    errors: {},
    ...options,
  };
}

Deno.test("a figure is the median of its rounds, with its spread", () => {
  const [{ cells }] = rowsOf(measured());
  assert.deepEqual(cells.mqk, {
    kind: "figure",
    median: 200_000,
    spread: 0.1,
  });
  assert.deepEqual(cells.beeQueue, {
    kind: "missing",
    reason: "has no such mode",
  });
});

Deno.test("one wrong count in one round refuses the figure", () => {
  const mqk = [sample(220_000), sample(990_000, 9), sample(180_000)];
  const rows = rowsOf(measured({ samples: { mqk } }));
  assert.deepEqual(rows[0].cells.mqk, {
    kind: "refused",
    reason: "jobs run: expected 10, counted 9",
  });
  const table = printTable(rows);
  assert.match(table, /refused \(1\)/);
  assert.match(table, /MQK: refused: jobs run: expected 10, counted 9/);
  assert.doesNotMatch(table, /220,000|200,000|990,000/);
});

Deno.test("a measurement that threw, or gave no number, has no figure", () => {
  const thrown = rowsOf(measured({ errors: { mqk: "it ended early" } }));
  assert.equal(thrown[0].cells.mqk.kind, "refused");
  const mqk = [sample(NaN)];
  const noNumber = rowsOf(measured({ samples: { mqk } }));
  assert.equal(noNumber[0].cells.mqk.kind, "refused");
});

Deno.test("ratios are above 1 where MQK is better, whatever the unit", () => {
  const figure = (middle: number) =>
    ({ kind: "figure", median: middle, spread: 0 }) as const;
  const ms = { key: "p50", label: "", unit: "ms" } as const;
  assert.equal(timesAsGood(ms, figure(2), figure(6)), 3);
  assert.equal(timesAsGood(DRAIN.figures[0], figure(6), figure(2)), 3);
});

Deno.test("each part of a target has its own verdict", () => {
  assert.deepEqual(verdicts(rowsOf(measured())[0]), [
    { text: "≥ 100,000/s", reached: true },
    { text: "≥ 20 × BullMQ", reached: true },
    { text: "≥ 60 % of the limit", reached: false },
  ]);
});

Deno.test("the table is Markdown with aligned columns and its notes below", () => {
  const lines = printTable(rowsOf(measured())).trimEnd().split("\n");
  assert.match(lines[0], /^\| case +\| MQK .*\| target +\|$/);
  assert.match(
    lines[2],
    /\| 200,000\/s ±10 % +\| 400,000\/s \| 50 % +\| 8,000\/s \| 25 +\| — \(1\)/,
  );
  assert.equal(lines[4], "1. bee-queue: has no such mode");
  assert.equal(new Set(lines.slice(0, 3).map((line) => line.length)).size, 1);
});

Deno.test("numbers are printed with the three digits that count", () => {
  assert.deepEqual(
    [0, 0.1234, 5.678, 19.99, 123.4, 211_234].map(printNumber),
    ["0", "0.123", "5.68", "20", "123", "211,000"],
  );
});

Deno.test("median, percentile and spread are what their names say", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(percentile([0, 10], 99), 9.9);
  assert.equal(spread([90, 100, 110]), 0.1);
  assert.throws(() => median([]), RangeError);
});

Deno.test("a busy machine is warned of, a quiet one is not", () => {
  assert.equal(busyWarning(0.3, 2), undefined);
  assert.match(busyWarning(1.5, 2)!, /load 1\.5 on 2 cores/);
});

for (
  const [name, subjects] of [
    ["enqueue/batches", ["mqk", "limit", "bullmq", "beeQueue"]],
    ["drain/results", ["mqk", "limit", "bullmq", "beeQueue"]],
    ["drain/fast", ["mqk", "limit"]],
  ] as const
) {
  Deno.test(`the benchmark measures and counts ${name} of ${subjects.length} subjects`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-check", "--allow-all"],
        fileURLToPath(import.meta.resolve("../bench/main.ts")),
        ...["--only", name, "--rounds", "1", "--scale", "0.01", "--json"],
      ],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const { rows } = JSON.parse(new TextDecoder().decode(stdout));
    for (const subject of subjects) {
      assert.equal(rows[0].cells[subject].kind, "figure", subject);
      assert.ok(rows[0].cells[subject].median > 0);
    }
  });
}
