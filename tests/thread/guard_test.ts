import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { JOBS, message, TestThread } from "./test_thread.ts";

const sum = message("mqk:calculator#sum", { args: [1, 2] });

Deno.test("a job that ends its thread fails, and says what it did", async () => {
  await using thread = await TestThread.start();
  const refusals: Record<string, RegExp> = {
    denoExit: /^A job can't call Deno\.exit: /,
    processExit: /^A job can't call process\.exit: /,
    importedExit: /^A job can't call process\.exit: /,
    close: /^A job can't call self\.close: /,
    chdir: /^A job can't call Deno\.chdir: .* use absolute paths$/,
    importedChdir: /^A job can't call process\.chdir: /,
    requiredChdir: /^A job can't call process\.chdir: /,
  };
  for (const [job, text] of Object.entries(refusals)) {
    const error = await thread.failing(`./unkind.ts#${job}`);
    assert.match(error.message, text);
  }
  assert.equal((await thread.run(sum)).kind, "done");
});

Deno.test("what is imported from Node by name is guarded in a sandbox, too", async () => {
  await using thread = await TestThread.start({}, {
    deno: { permissions: { read: [JOBS], import: [] } },
  });
  const error = await thread.failing("./unkind.ts#importedChdir");
  assert.match(error.message, /^A job can't call process\.chdir: /);
});

Deno.test("a job that takes over the thread's door, or reads its input, hurts nobody", async () => {
  await using thread = await TestThread.start();
  assert.equal(await thread.call("./unkind.ts#takesOver"), '"done"');
  assert.equal(await thread.call("./unkind.ts#readsStandardInput"), "true");
  assert.equal((await thread.run(sum)).kind, "done");
  await thread.answers();
});

Deno.test("a floating rejection fails the job that owns it, not its neighbours", async () => {
  await using thread = await TestThread.start();
  const ended = await thread.all(thread.dispatch(
    sum,
    message("./failing.ts#floats"),
    sum,
    message("./failing.ts#floatsAndGoesOn", { args: [20] }),
    message("./waits.ts#together", { args: [20] }),
    message("./failing.ts#throwingTimer", { args: [20] }),
    sum,
  ));
  // Once more, now that its module is loaded and it returns at once.
  ended.push(
    ...await thread.all(thread.dispatch(
      sum,
      message("./failing.ts#floats"),
      sum,
    )),
  );
  assert.deepEqual(
    ended.map((job) => job.kind === "retry" ? job.error.message : job.kind),
    [
      "done",
      "floating",
      "done",
      "floating",
      "done",
      "thrown by a timer",
      "done",
      "done",
      "floating",
      "done",
    ],
  );
  assert.deepEqual(thread.warnings, []);
});

Deno.test("what fails after its job has ended is a warning, a few a second", async () => {
  await using thread = await TestThread.start();
  assert.equal(await thread.call("./failing.ts#leavesInterval"), '"done"');
  await thread.call("./failing.ts#lightsBomb");
  await eventually(() => thread.warnings.length >= 10);
  assert.match(
    thread.warnings[0],
    /^Job p\.1 had ended when it failed: Error: left behind$/,
  );
  assert.equal((await thread.run(sum)).kind, "done");
  assert.ok(thread.warnings.length <= 20);
});

Deno.test("a rejection that no job owns is a warning", async () => {
  await using thread = await TestThread.start();
  assert.equal(await thread.call("./floats_at_import.ts#quick"), '"done"');
  await eventually(() => thread.warnings.length > 0);
  assert.deepEqual(thread.warnings, [
    "Uncaught, and no job owns it: Error: floating at import",
  ]);
});

Deno.test("a function that is called often shares its context, and is still found out", async () => {
  await using thread = await TestThread.start();
  const quiet = message("./failing.ts#seldomFloats", { args: [false] });
  const floating = message("./failing.ts#seldomFloats", { args: [true] });
  for (let i = 0; i < 3; i++) {
    const ended = await thread.all(thread.dispatch(...Array(100).fill(quiet)));
    assert.ok(ended.every(({ kind }) => kind === "done"));
  }
  // Once nobody knows which of the many jobs it was, and none is punished.
  const many = Array(20).fill(quiet);
  const first = await thread.all(thread.dispatch(...many, floating, quiet));
  assert.ok(first.every(({ kind }) => kind === "done"));
  assert.deepEqual(thread.warnings, [
    "Uncaught, and no job owns it: Error: seldom",
  ]);
  const second = await thread.all(thread.dispatch(...many, floating, quiet));
  assert.deepEqual(
    second.filter(({ kind }) => kind !== "done").map(({ index }) => index),
    [20],
  );
});

Deno.test("what is thrown in Node's ways ends no thread, and is owned by its job", async () => {
  await using thread = await TestThread.start();
  for (const way of ["tick", "emitter", "microtask", "listener", "timer"]) {
    await thread.failing("./failing.ts#throwsInWayOf", way);
  }
  assert.deepEqual(thread.warnings, []);
  assert.equal((await thread.run(sum)).kind, "done");
});
