import assert from "node:assert/strict";
import type { Settlement } from "../../../src/broker/broker.ts";
import { messages, type Test } from "./scene.ts";

/** Cases of `settle`. */
export function settleCases(test: Test): void {
  test("settle as done removes the jobs, stores their outcomes, and says how many it were", async (s) => {
    const [a, b, c] = await s.push("a", "b", "c");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    assert.equal(
      await worker.settle(
        { kind: "done", token: tokens[0], id: a, outcome: "3" },
        { kind: "done", token: tokens[1], id: b, outcome: "" },
        { kind: "done", token: tokens[2] },
      ),
      3,
    );
    await s.counts({});
    assert.deepEqual(await s.broker.results(s.queue, [a, b, c]), [
      "3",
      "",
      null,
    ]);
  });

  test("settle of nothing changes nothing", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    assert.equal(await worker.settle(), 0);
    await s.counts({ held: 1 });
  });

  test("settle leaves alone what it does not name", async (s) => {
    await s.push("a", "b", "c");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    assert.equal(await worker.done(tokens[1]), 1);
    await s.counts({ held: 2 });
    await worker.release(tokens[0], tokens[2]);
    assert.deepEqual(await s.drain(), ["a", "c"]);
  });

  test("settle is idempotent, whatever the jobs' end", async (s) => {
    const ids = await s.push("a", "b", "c", "d");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    const settlements: Settlement[] = [
      { kind: "done", token: tokens[0], id: ids[0], outcome: "1" },
      { kind: "retry", token: tokens[1], message: "b2", delayMs: 10 },
      {
        kind: "retry",
        token: tokens[2],
        message: "c2",
        delayMs: 10,
        alone: true,
      },
      {
        kind: "failed",
        token: tokens[3],
        entry: "d!",
        id: ids[3],
        outcome: "!",
      },
    ];
    assert.equal(await worker.settle(...settlements), 4);
    assert.equal(await worker.settle(...settlements), 0);
    await s.counts({ retry: 2, failed: 1 });
    await s.pass(10);
    assert.equal(await worker.settle(...settlements), 0);
    await s.counts({ ready: 1, suspect: 1, failed: 1 });
  });

  test("a token that is not held changes nothing and stores no outcome", async (s) => {
    const [a, b] = await s.push("a", "b");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.release(tokens[0]);
    const never = [tokens[0], "999:0", "nonsense", ""];
    for (const token of never) {
      assert.equal(
        await worker.settle(
          { kind: "done", token, id: a, outcome: "late" },
          { kind: "failed", token, entry: "x", id: a, outcome: "!late" },
          { kind: "retry", token, message: "late", delayMs: 0 },
        ),
        0,
      );
    }
    assert.equal(await s.result(a), null);
    await s.counts({ ready: 1, held: 1 });
    assert.equal(
      await worker.settle(
        { kind: "done", token: tokens[0], id: a, outcome: "late" },
        { kind: "done", token: tokens[1], id: b, outcome: "in time" },
      ),
      1,
      "beside one that is held",
    );
    assert.deepEqual(await s.broker.results(s.queue, [a, b]), [
      null,
      "in time",
    ]);
  });

  test("among outcomes of one producer only those of held tokens are stored", async (s) => {
    const ids = await s.push(...messages(9));
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    const gone = tokens.filter((_, i) => i % 3 === 1);
    await worker.release(...gone);
    const settled = await worker.settle(
      ...tokens.map((token, i): Settlement => ({
        kind: i < 6 ? "done" : "failed",
        token,
        id: ids[i],
        outcome: `${i}`,
        entry: `${i}`,
      })),
    );
    assert.equal(settled, 6);
    assert.deepEqual(
      await s.broker.results(s.queue, ids),
      ["0", null, "2", "3", null, "5", "6", null, "8"],
    );
    await s.counts({ ready: 3, failed: 2 });
  });

  test("of long messages too, only those that are held are settled", async (s) => {
    const [a, b, c] = await s.push(
      ...["a", "b", "c"].map((x) => x.repeat(2000)),
    );
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.done(tokens[1]);
    const settled = await worker.settle(
      { kind: "done", token: tokens[0], id: a, outcome: "1" },
      { kind: "done", token: tokens[1], id: b, outcome: "late" },
      { kind: "retry", token: tokens[1], message: "late", delayMs: 0 },
      { kind: "done", token: tokens[2], id: c, outcome: "3" },
    );
    assert.equal(settled, 2);
    assert.deepEqual(await s.broker.results(s.queue, [a, b, c]), [
      ...["1", null, "3"],
    ]);
    await s.counts({});
  });

  test("a worker can't settle what another holds", async (s) => {
    const [a] = await s.push("a", "b");
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve({ limit: 1 });
    const other = s.worker();
    await other.reserve();
    assert.equal(
      await other.settle({ kind: "done", token, id: a, outcome: "1" }),
      0,
    );
    assert.equal(await s.result(a), null);
    await s.counts({ held: 2 });
  });

  test("a job settled as retry comes back with its new message when its delay has passed", async (s) => {
    await s.push("a");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle({
      kind: "retry",
      token: tokens[0],
      message: "a, second attempt",
      delayMs: 2000,
    });
    await s.pass(1999);
    await s.counts({ retry: 1 });
    await s.pass(1);
    await s.counts({ ready: 1 });
    assert.deepEqual((await worker.reserve()).messages, ["a, second attempt"]);
  });

  test("a retry without delay is due at the next step of the reaper", async (s) => {
    await s.push("a");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle({
      kind: "retry",
      token: tokens[0],
      message: "again",
      delayMs: 0,
    });
    await s.pass(0);
    assert.deepEqual(await s.drain(), ["again"]);
  });

  test("a message that is put back again and again fails after its time, others go on", async (s) => {
    const worker = s.worker();
    const putBack = async (message: string) => {
      const { tokens, messages } = await worker.reserve();
      assert.deepEqual(messages, [message]);
      await worker.settle({
        kind: "retry",
        token: tokens[0],
        message,
        delayMs: 1000,
        giveUp: { afterMs: 2500, entry: `gave up: ${message}` },
      });
    };
    await s.push("later");
    await putBack("later");
    for (let seconds = 1; seconds <= 2; seconds++) {
      await s.pass(1000);
      await putBack("later");
    }
    await s.counts({ retry: 1 });
    await s.pass(1000);
    await putBack("later");
    await s.counts({ failed: 1 });
    assert.deepEqual((await s.jobs("failed")).map(({ text }) => text), [
      "gave up: later",
    ]);
    await s.push("other");
    await putBack("other");
    await s.counts({ retry: 1, failed: 1 });
  });

  test("a job charged for a crash comes back as a suspect", async (s) => {
    await s.leave({ crashed: ["a"] });
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle({
      kind: "retry",
      token: tokens[0],
      message: "a, second attempt",
      delayMs: 1000,
      alone: true,
    });
    await s.counts({ retry: 1 });
    await s.pass(1000);
    await s.counts({ suspect: 1 });
    const { kind, messages } = await worker.reserve();
    assert.deepEqual([kind, messages], ["suspect", ["a, second attempt"]]);
  });

  test("a job settled as failed is in the failed set, with its outcome if somebody may wait", async (s) => {
    const [a, b] = await s.push("a", "b");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    assert.equal(
      await worker.settle(
        {
          kind: "failed",
          token: tokens[0],
          entry: "entry a",
          id: a,
          outcome: "!a",
        },
        { kind: "failed", token: tokens[1], entry: "entry b" },
      ),
      2,
    );
    await s.counts({ failed: 2 });
    assert.deepEqual(
      (await s.jobs("failed")).map(({ text }) => text).sort(),
      ["entry a", "entry b"],
    );
    assert.deepEqual(await s.broker.results(s.queue, [a, b]), ["!a", null]);
  });

  test("a later outcome of the same job replaces the former", async (s) => {
    const [id] = await s.push("a", "a again");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    for (const [i, outcome] of ["first", "second"].entries()) {
      await worker.settle({ kind: "done", token: tokens[i], id, outcome });
      assert.equal(await s.result(id), outcome);
    }
  });

  test("a batch of 1,000 jobs is settled in one call, whatever their end", async (s) => {
    for (const kind of ["done", "retry", "failed"] as const) {
      const ids = await s.push(...messages(1000));
      const worker = s.worker();
      const { tokens } = await worker.reserve();
      const settlements = tokens.map((token, i): Settlement =>
        kind === "retry"
          ? { kind, token, message: `${i}`, delayMs: i, alone: i % 2 === 0 }
          : { kind, token, id: ids[i], outcome: `${i}`, entry: `${kind} ${i}` }
      );
      assert.equal(await worker.settle(...settlements), 1000, kind);
      assert.equal(await worker.renew(), 0);
      if (kind === "retry") continue;
      assert.deepEqual(
        await s.broker.results(s.queue, ids),
        ids.map((_, i) => `${i}`),
      );
    }
    await s.counts({ retry: 1000, failed: 1000 });
  });

  test("more than a batch is settled in one call, of all kinds and many producers", async (s) => {
    await s.push(...messages(2400));
    const worker = s.worker();
    const tokens: string[] = [];
    for (let i = 0; i < 3; i++) {
      tokens.push(...(await worker.reserve()).tokens);
    }
    const id = (i: number) => `${s.producer}_${i % 300}.${i}`;
    const settlements = tokens.map((token, i): Settlement =>
      i % 4 === 0
        ? { kind: "done", token }
        : i % 4 === 1
        ? { kind: "done", token, id: id(i), outcome: `${i}` }
        : i % 4 === 2
        ? { kind: "retry", token, message: `r${i}`, delayMs: 1000 }
        : { kind: "failed", token, entry: `f${i}`, id: id(i), outcome: `!${i}` }
    );
    assert.equal(await worker.settle(...settlements), 2400);
    await s.counts({ retry: 600, failed: 600 });
    const ids = tokens.map((_, i) => id(i));
    assert.deepEqual(
      await s.broker.results(s.queue, ids),
      ids.map((_, i) => [null, `${i}`, null, `!${i}`][i % 4]),
    );
  });

  test("settlements larger than the bytes of a batch are settled in one call", async (s) => {
    const ids = await s.push(...messages(6));
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    const large = "x".repeat(900_000);
    const settlements = tokens.map((token, i): Settlement =>
      i % 2 === 0
        ? { kind: "done", token, id: ids[i], outcome: large + i }
        : { kind: "retry", token, message: large + i, delayMs: 0 }
    );
    assert.equal(await worker.settle(...settlements), 6);
    assert.ok(await s.result(ids[4]) === large + 4);
    await s.pass(0);
    assert.ok(
      (await s.drain()).join() === [1, 3, 5].map((i) => large + i).join(),
    );
  });
}
