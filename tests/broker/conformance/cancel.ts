import assert from "node:assert/strict";
import type { Cancellation } from "../../../src/broker/broker.ts";
import { eventually } from "../../harness/eventually.ts";
import type { Scene, Test } from "./scene.ts";

const OUTCOME = "^";

function cancel(s: Scene, ...ids: string[]): Promise<boolean[]> {
  const jobs = ids.map((id): Cancellation => ({
    id,
    dueMs: 0,
    outcome: OUTCOME,
  }));
  return s.broker.cancel(s.queue, jobs);
}

/** Cases of `cancel` and `cancelled`. */
export function cancelCases(test: Test): void {
  test("where nothing was cancelled nothing is to be read", async (s) => {
    await s.push("a");
    const worker = s.worker();
    assert.equal((await worker.reserve()).cancels, 0);
    assert.deepEqual(await s.broker.cancelled(s.queue, 0), {
      cancels: 0,
      ids: [],
    });
  });

  test("every reserve, take and renewal says that jobs were cancelled since", async (s) => {
    const worker = s.worker();
    const ids = await s.push("a", "b", "c", "d");
    const before = (await worker.reserve({ limit: 1 })).cancels;
    assert.deepEqual(await cancel(s, ids[0], ids[2]), [true, true]);
    const [{ cancels: renewed }] = await s.broker.renew(worker.name, [s.queue]);
    const { cancels } = await worker.reserve({ limit: 1 });
    assert.ok(cancels > before);
    assert.equal(renewed, cancels);
    assert.equal((await s.broker.take(s.queue, 1, 99)).cancels, cancels);
    const all = await s.broker.cancelled(s.queue, before);
    assert.equal(all.cancels, cancels);
    assert.deepEqual([...all.ids].sort(), [ids[0], ids[2]].sort());
    assert.deepEqual((await s.broker.cancelled(s.queue, cancels)).ids, []);
  });

  test("the outcome of a cancelled job is stored at once, and told", async (s) => {
    const told: number[] = [];
    await using _watch = await s.broker.watchResults(
      s.queue,
      s.producer,
      (numbers = []) => told.push(...numbers),
    );
    const [id] = await s.push("a");
    await cancel(s, id);
    assert.equal(await s.result(id), OUTCOME);
    await eventually(() => told.includes(Number(id.split(".")[1])));
  });

  test("of a job that was taken out the end is told, and no note is kept", async (s) => {
    const [id] = await s.push("a");
    const after = s.newId();
    await s.broker.enqueue([
      {
        id: after,
        queue: s.queue,
        message: "b",
        after: [{ queue: s.queue, id }],
      },
    ]);
    const [record] = await s.jobs("ready");
    assert.equal(await s.inspector.remove(record), true);
    const gone = { id, dueMs: 0, outcome: OUTCOME, gone: true } as const;
    assert.deepEqual(await s.inspector.cancel(s.queue, [gone]), [true]);
    assert.equal(await s.result(id), OUTCOME);
    const { ids } = await s.broker.cancelled(s.queue, 0);
    assert.deepEqual(ids, []);
    assert.deepEqual(await s.drain(), ["b"]);
  });

  test("a job that has ended can't be cancelled", async (s) => {
    const worker = s.worker();
    const [id] = await s.push("a");
    const { tokens: [token] } = await worker.reserve();
    await worker.settle({ kind: "done", token, id, outcome: "3" });
    assert.deepEqual(await cancel(s, id), [false]);
    assert.equal(await s.result(id), "3");
    assert.deepEqual((await s.broker.cancelled(s.queue, 0)).ids, []);
  });

  test("once a cancelled job was dropped, nothing is left of it but its outcome", async (s) => {
    const worker = s.worker();
    const [id] = await s.push("a");
    await cancel(s, id);
    const { tokens: [token] } = await worker.reserve();
    await worker.settle({
      kind: "done",
      token,
      id,
      outcome: OUTCOME,
      ties: { id },
    });
    assert.deepEqual((await s.broker.cancelled(s.queue, 0)).ids, []);
    assert.equal(await s.result(id), OUTCOME);
    await s.counts({});
  });

  test("a cancelled job that nobody meets is forgotten in the end", async (s) => {
    const id = s.newId();
    const dueMs = s.store.nowMs() + 86_400_000;
    await s.broker.cancel(s.queue, [{ id, dueMs }]);
    await s.pass(30 * 86_400_000);
    assert.deepEqual((await s.broker.cancelled(s.queue, 0)).ids, [id]);
    await s.pass(2 * 86_400_000);
    assert.deepEqual((await s.broker.cancelled(s.queue, 0)).ids, []);
  });
}
