import assert from "node:assert/strict";
import { ArgumentError } from "../../src/errors.ts";
import { checkLimits, type Limits } from "../../src/job/limits.ts";

const TAKEN: readonly Limits[] = [
  {},
  { concurrency: 1 },
  { rate: { jobs: 1, per: 0.1 } },
  { rate: { jobs: 1_000_000, per: 31 * 86_400 }, concurrency: 50 },
  { group: {}, groups: {} },
  { group: { concurrency: 1 }, groups: { "tenant-7": { concurrency: 4 } } },
  { groups: { free: {} } },
];

for (const limits of TAKEN) {
  Deno.test(`limits ${JSON.stringify(limits)} are taken`, () => {
    checkLimits(limits);
  });
}

/** As a caller without types may give it. */
const REFUSED: readonly (readonly [string, unknown])[] = [
  ["must be an object", null],
  ["must be an object", 5],
  ["concurrency 0", { concurrency: 0 }],
  ["concurrency -1", { concurrency: -1 }],
  ["concurrency 1.5", { concurrency: 1.5 }],
  ['concurrency "3"', { concurrency: "3" }],
  ["concurrency null", { concurrency: null }],
  ["rate.jobs 0", { rate: { jobs: 0, per: 60 } }],
  ["rate.jobs 0", { rate: 5 }],
  ["rate.jobs 0", { rate: null }],
  ["rate.per 0", { rate: { jobs: 5 } }],
  ["rate.per 0.05", { rate: { jobs: 5, per: 0.05 } }],
  ["rate.per", { rate: { jobs: 5, per: 31 * 86_400 + 1 } }],
  ["limit speed", { speed: 3 }],
  ["group null", { group: null }],
  ["group.concurrency 0", { group: { concurrency: 0 } }],
  ["group.group", { group: { group: {} } }],
  ["groups.a 3", { groups: { a: 3 } }],
  ["groups.a.rate.jobs", { groups: { a: { rate: { jobs: 0.5, per: 1 } } } }],
  ['group "a b"', { groups: { "a b": { concurrency: 1 } } }],
];

for (const [text, limits] of REFUSED) {
  Deno.test(`limits ${JSON.stringify(limits)} are refused, saying ${text}`, () => {
    assert.throws(() => checkLimits(limits as Limits), (error: Error) => {
      assert.ok(error instanceof ArgumentError, `${error}`);
      assert.ok(error.message.includes(text), error.message);
      return true;
    });
  });
}
