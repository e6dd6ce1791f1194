import assert from "node:assert/strict";
import { ArgumentError } from "../../src/errors.ts";
import {
  checkPolicy,
  checkQueueName,
  type JobPolicy,
} from "../../src/job/policy.ts";

const DAY = 86_400;

const TAKEN: readonly JobPolicy[] = [
  {},
  { queue: "a", ttl: 0.5, retries: 0, delay: 0, result: false },
  { queue: "A-z_0.9".padEnd(100, "x"), ttl: 24 * DAY, retries: 1000 },
  { backoff: "exponential", delay: 10 * 366 * DAY },
  { backoff: { fixed: 0 }, idempotencyKey: "order-17" },
  { backoff: { fixed: 2.5 }, at: new Date(0) },
  { unique: {} },
  { unique: { key: "order-17", for: "waiting", onConflict: "keep" } },
  { unique: { for: 1, onConflict: "replace" }, delay: 60 },
  { unique: { for: 366 * DAY }, idempotencyKey: "i", group: "tenant-7" },
  { after: "q/p.1/abc", onFailure: "skip", group: "g" },
  { after: ["q/p.1/abc", { handle: "q/p.2/abc" }], onFailure: "run" },
];

for (const policy of TAKEN) {
  Deno.test(`policy ${JSON.stringify(policy)} is taken`, () => {
    checkPolicy(policy);
  });
}

/** As a caller without types may give it. */
const REFUSED: readonly (readonly [string, Record<string, unknown>])[] = [
  ["queue", { queue: "" }],
  ["queue", { queue: "a b" }],
  ["queue", { queue: "a:b" }],
  ["queue", { queue: "{a}" }],
  ["queue", { queue: "ä" }],
  ["queue", { queue: "x".repeat(101) }],
  ["queue", { queue: 7 }],
  ["queue", { queue: "a\n" }],
  ["ttl", { ttl: 0 }],
  ["ttl", { ttl: -1 }],
  ["ttl", { ttl: 24 * DAY + 1 }],
  ["ttl", { ttl: NaN }],
  ["ttl", { ttl: "10" }],
  ["retries", { retries: -1 }],
  ["retries", { retries: 1.5 }],
  ["retries", { retries: 1001 }],
  ["retries", { retries: null }],
  ["delay", { delay: -1 }],
  ["delay", { delay: 10 * 366 * DAY + 1 }],
  ["delay", { delay: Infinity }],
  ["backoff", { backoff: "linear" }],
  ["backoff", { backoff: {} }],
  ["backoff", { backoff: null }],
  ["backoff", { backoff: { fixed: -1 } }],
  ["backoff", { backoff: { fixed: "1" } }],
  ["delay and at", { delay: 1, at: new Date(0) }],
  ["at", { at: new Date(NaN) }],
  ["at", { at: 1_700_000_000 }],
  ["idempotency key", { idempotencyKey: "" }],
  ["idempotency key", { idempotencyKey: "a b" }],
  ["idempotency key", { idempotencyKey: 5 }],
  ["result", { result: "no" }],
  ["unique", { unique: true }],
  ["unique", { unique: null }],
  ["unique key", { unique: { key: "" } }],
  ["unique key", { unique: { key: "a b" } }],
  ["unique.for", { unique: { for: 0 } }],
  ["unique.for", { unique: { for: 1.5 } }],
  ["unique.for", { unique: { for: 366 * DAY + 1 } }],
  ["unique.for", { unique: { for: "ever" } }],
  ["unique.onConflict", { unique: { onConflict: "drop" } }],
  ["group", { group: "" }],
  ["group", { group: "a:b" }],
  ["group", { group: 7 }],
  ["onFailure", { after: "q/p.1/abc", onFailure: "stop" }],
  ["0 jobs", { after: [] }],
  ["10001 jobs", { after: Array(10_001).fill("q/p.1/abc") }],
  ["after and delay", { after: "q/p.1/abc", delay: 1 }],
  ["after and at", { after: "q/p.1/abc", at: new Date(0) }],
  ["after and idempotencyKey", { after: "q/p.1/a", idempotencyKey: "i" }],
  ["after and unique", { after: "q/p.1/abc", unique: {} }],
];

for (const [name, policy] of REFUSED) {
  const shown = Deno.inspect(policy, { iterableLimit: 2 });
  Deno.test(`policy ${shown} is refused, naming ${name}`, () => {
    assert.throws(() => checkPolicy(policy as JobPolicy), (error: Error) => {
      assert.ok(error instanceof ArgumentError);
      assert.ok(error.message.includes(name), error.message);
      return true;
    });
  });
}

Deno.test("a refusal says what is required and what came", () => {
  assert.throws(() => checkPolicy({ ttl: 0 }), {
    message: "Cannot take ttl 0: it must be above 0 and at most 24 days, " +
      "in seconds",
  });
});

Deno.test("the name of a queue is checked by itself too", () => {
  checkQueueName("default");
  assert.throws(() => checkQueueName("no spaces"), ArgumentError);
});
