import assert from "node:assert/strict";
import { Slot } from "../../src/thread/protocol.ts";
import { eventually } from "../harness/eventually.ts";
import { message, TestThread } from "./test_thread.ts";

const sum = message("mqk:calculator#sum", { args: [1, 2] });

function waits(milliseconds: number): string {
  return message("./waits.ts#together", { args: [milliseconds] });
}

function blocks(milliseconds: number): string {
  return message("./unkind.ts#blocks", { args: [milliseconds] });
}

Deno.test("as many jobs that take time run at once as allowed, not more", async () => {
  await using thread = await TestThread.start({ concurrency: 3 });
  const ended = await thread.all(
    thread.dispatch(...Array(7).fill(0).map(() => waits(20))),
  );
  const most = ended.map((job) => job.kind === "done" && Number(job.outcome));
  assert.equal(Math.max(...most as number[]), 3);
});

Deno.test("a job that is quick overtakes one that takes time, and is reported before", async () => {
  await using thread = await TestThread.start();
  const batch = thread.dispatch(waits(60_000), sum, sum);
  await eventually(() => thread.endedOf(batch).length === 2);
  assert.deepEqual(thread.endedOf(batch).map(({ index }) => index), [1, 2]);
  assert.deepEqual([...batch.slots], [Slot.running, Slot.ended, Slot.ended]);
});

Deno.test("a slot tells that a job runs before its function is called", async () => {
  await using thread = await TestThread.start();
  await thread.run(blocks(0));
  const batch = thread.dispatch(blocks(300), sum);
  await eventually(() => batch.slots[0] === Slot.running);
  assert.equal(batch.slots[1], Slot.waiting, "it is still blocked");
  await thread.all(batch);
});

Deno.test("a job that was taken back does not run", async () => {
  await using thread = await TestThread.start();
  await thread.run(blocks(0));
  const batch = thread.dispatch(blocks(200), sum, sum, sum);
  await eventually(() => batch.slots[0] === Slot.running);
  for (const index of [1, 3]) {
    const { waiting, taken } = Slot;
    const was = Atomics.compareExchange(batch.slots, index, waiting, taken);
    assert.equal(was, waiting);
  }
  await eventually(() => thread.endedOf(batch).length === 2);
  await thread.run(sum);
  assert.deepEqual(thread.endedOf(batch).map(({ index }) => index), [0, 2]);
  assert.equal(batch.slots[1], Slot.taken);
});

Deno.test("no job starts while the lease is in doubt by one of the clocks", async () => {
  await using thread = await TestThread.start();
  for (const [clock, past] of [Date.now() - 1, 0].entries()) {
    thread.lease[clock] = past;
    const batch = thread.dispatch(sum, sum);
    await thread.answers();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual([...batch.slots], [Slot.waiting, Slot.waiting]);
    thread.lease[clock] = Date.now() + 5_000;
    assert.equal((await thread.all(batch)).length, 2);
    thread.lease[clock] = Infinity;
  }
});

Deno.test("a job whose module loads while the lease comes into doubt is handed back", async () => {
  await using thread = await TestThread.start();
  const batch = thread.dispatch(message("./slow_module.ts#quick"));
  await eventually(() => batch.slots[0] === Slot.loading);
  thread.lease[0] = 0;
  assert.equal((await thread.all(batch))[0].kind, "released");
});

Deno.test("pings are answered while many short jobs run, and one module never loads", async () => {
  await using thread = await TestThread.start();
  const stuck = thread.dispatch(message("./never_loads.ts#never"));
  await thread.run(blocks(0));
  const batch = thread.dispatch(...Array(1000).fill(blocks(2)));
  await thread.answers(1_000);
  const { length } = thread.endedOf(batch);
  assert.ok(length < 1000, `${length} had ended`);
  assert.equal(stuck.slots[0], Slot.loading);
});

Deno.test("what ends while others wait for their turn is reported soon", async () => {
  await using thread = await TestThread.start();
  await thread.run(blocks(0));
  const batch = thread.dispatch(...Array(50).fill(blocks(20)));
  await eventually(() => thread.endedOf(batch).length >= 2);
  assert.ok(thread.endedOf(batch).length < 50);
});

Deno.test("the log gets the results of 100 jobs a second, all with -v, none with -q", async () => {
  for (const [verbosity, expected] of [[-1, 0], [0, 100], [1, 500]]) {
    await using thread = await TestThread.start({ verbosity });
    const ended = await thread.all(thread.dispatch(...Array(500).fill(sum)));
    const shown = ended.filter((job) => job.kind === "done" && job.shown);
    assert.equal(shown.length, expected);
  }
});

Deno.test("jobs of many batches all end, whatever they are", async () => {
  await using thread = await TestThread.start({ concurrency: 4 });
  const later = message("./waits.ts#awaitsNothing", { args: [5] });
  const batches = Array(20).fill(0).map(() =>
    thread.dispatch(...Array(50).fill(0).flatMap(() => [sum, later]))
  );
  for (const batch of batches) {
    for (const [index, job] of (await thread.all(batch)).entries()) {
      assert.equal(job.index, index);
      assert.ok(job.kind === "done");
      assert.equal(job.outcome, index % 2 === 0 ? "3" : "5");
    }
  }
});
