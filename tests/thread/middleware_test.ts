import assert from "node:assert/strict";
import { message, TestThread } from "./test_thread.ts";

const JOBS = "./middleware/jobs.ts";
const MARKS = "./middleware/marks.ts";
const INNER = "./middleware/inner.ts";
const STRICT = "./middleware/strict.ts";

for (const name of ["now", "later"]) {
  Deno.test(`middleware runs around a job (${name}), the first outermost, and its context reaches the job`, async () => {
    await using thread = await TestThread.start({ use: [MARKS, INNER] });
    const outcome = await thread.call(`${JOBS}#${name}`);
    assert.deepEqual(JSON.parse(outcome!), [
      "outer",
      "inner",
      "after inner",
      "after outer",
    ]);
  });
}

Deno.test("middleware is around a job that streams until it has streamed all", async () => {
  await using thread = await TestThread.start({ use: [MARKS, STRICT] });
  const outcome = await thread.call(`${JOBS}#streams`, false);
  assert.deepEqual(JSON.parse(outcome!), ["outer", "after outer"]);
  const ended = await thread.run(message(`${JOBS}#streams`, { args: [true] }));
  assert.equal(ended.kind === "retry" && ended.error.name, "TypeError");
});

Deno.test("without middleware nothing is around a job", async () => {
  await using thread = await TestThread.start();
  assert.equal(await thread.call(`${JOBS}#now`), "[]");
});

Deno.test("each of many jobs has its own middleware", async () => {
  await using thread = await TestThread.start({ use: [MARKS] });
  const texts = Array.from(
    { length: 300 },
    (_, n) => message(`${JOBS}#${n % 2 ? "now" : "later"}`, { id: `p.${n}` }),
  );
  for (const ended of await thread.all(thread.dispatch(...texts))) {
    assert.equal(
      ended.kind === "done" && ended.outcome,
      '["outer","after outer"]',
    );
  }
});

Deno.test("middleware sees which job it is, from which queue", async () => {
  await using thread = await TestThread.start({ use: [MARKS] });
  const ended = await thread.run(
    message(`${JOBS}#seen`, { id: "p.7", args: [1], attempt: 2 }),
  );
  assert.deepEqual(ended.kind === "done" && JSON.parse(ended.outcome!), {
    id: "p.7",
    attempt: 2,
    reference: `${JOBS}#seen`,
    args: [1],
    queue: "q",
    same: true,
  });
});

Deno.test("what middleware throws is the job's failure, as if the job had thrown it", async () => {
  await using thread = await TestThread.start({ use: [STRICT] });
  const ended = await thread.run(message(`${JOBS}#counts`, {
    args: ["refuse"],
  }));
  assert.equal(ended.kind, "failed");
  assert.equal(ended.kind === "failed" && ended.error.message, "not allowed");
  assert.equal(await thread.call(`${JOBS}#counts`), "1", "it did not run");
});

Deno.test("what a job throws passes through middleware, and is tried again", async () => {
  await using thread = await TestThread.start({ use: [STRICT, MARKS] });
  const ended = await thread.run(message(`${JOBS}#fails`));
  assert.equal(ended.kind, "retry");
  assert.equal(ended.kind === "retry" && ended.error.name, "TypeError");
});

Deno.test("middleware may answer itself, and catch what a job throws", async () => {
  await using thread = await TestThread.start({ use: [STRICT] });
  assert.equal(await thread.call(`${JOBS}#counts`, "replace"), '"instead"');
  assert.equal(await thread.call(`${JOBS}#fails`, "recover"), '"caught no"');
});

Deno.test("a job runs once, even if middleware asks twice", async () => {
  await using thread = await TestThread.start({ use: [STRICT] });
  const ended = await thread.run(
    message(`${JOBS}#counts`, { args: ["twice"] }),
  );
  assert.match(
    ended.kind === "retry" ? ended.error.message : "",
    /next\(\) was called twice/,
  );
  assert.equal(await thread.call(`${JOBS}#counts`), "2");
});

Deno.test("middleware is used beside named modules, and can't be called then", async () => {
  const modules = [JOBS];
  await using thread = await TestThread.start({ modules, use: [INNER] });
  assert.equal(await thread.call("now"), '["inner","after inner"]');
  const { message } = await thread.failing(INNER);
  assert.match(message, /calls only the modules named/);
});

for (
  const [module, reason] of [
    [
      "./middleware/no_function.ts",
      /Cannot use middleware \.\/middleware\/no_function\.ts: .*\(job, next\).*; it exports report/,
    ],
    ["./broken/syntax_error.ts", /Cannot load module \.\/broken\/syntax_error/],
    ["./throws_at_import.ts", /Cannot load module \.\/throws_at_import/],
    ["./no_such.ts", /Cannot find module \.\/no_such\.ts: .* does not exist/],
    ["../harness/temp_dir.ts", /must lie below the root/],
    ["npm:is-odd", /must be a file below the root/],
  ] as const
) {
  Deno.test(`the thread does not start with ${module} as middleware`, async () => {
    await using thread = await TestThread.start({ use: [module] });
    assert.match(thread.fatal!, reason);
    assert.doesNotMatch(thread.fatal!, /\n/);
  });
}
