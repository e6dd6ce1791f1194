import assert from "node:assert/strict";
import { FencedError } from "../../../src/broker/broker.ts";
import { eventually } from "../../harness/eventually.ts";
import { messages, type Scene, type Test } from "./scene.ts";

/** Cases of `updates`: what jobs report while they run. */
export function updatesCases(test: Test): void {
  test("updates are read in the order in which they were stored", async (s) => {
    const id = s.newId();
    assert.deepEqual(await all(s, id), []);
    await s.broker.updates.append(undefined, s.queue, id, ["1", '"ä😀"']);
    await s.broker.updates.append(undefined, s.queue, id, [
      '{"a":"\\u0000"}',
    ]);
    assert.deepEqual(await all(s, id), ["1", '"ä😀"', '{"a":"\\u0000"}']);
  });

  test("updates of other jobs, producers and queues are told apart", async (s) => {
    const ids = ["", "x", "-1"].map((end) => `${s.producer}${end}.1`);
    ids.push(`${s.producer}.11`);
    for (const id of ids) {
      await s.broker.updates.append(undefined, s.queue, id, [`"${id}"`]);
    }
    for (const id of ids) {
      assert.deepEqual(await all(s, id), [`"${id}"`]);
    }
    const { updates } = await s.broker.updates
      .read(s.queue + "x", ids[0], undefined, 10);
    assert.deepEqual(updates, []);
  });

  test("a reader goes on behind the page it has read, and from nothing", async (s) => {
    const id = s.newId();
    const read = (position?: string) =>
      s.broker.updates.read(s.queue, id, position, 3);
    const nothing = await read();
    assert.deepEqual(nothing.updates, []);
    await s.broker.updates.append(undefined, s.queue, id, messages(7));
    const first = await read(nothing.position);
    assert.deepEqual(first.updates, ["m0", "m1", "m2"]);
    const second = await read(first.position);
    assert.deepEqual(second.updates, ["m3", "m4", "m5"]);
    const third = await read(second.position);
    assert.deepEqual(third.updates, ["m6"]);
    const end = await read(third.position);
    assert.deepEqual(end, { updates: [], position: third.position });
    await s.broker.updates.append(undefined, s.queue, id, ["m7"]);
    assert.deepEqual((await read(end.position)).updates, ["m7"]);
  });

  test(
    "the last updates of a job stay, and a reader goes on behind the gap",
    async (s) => {
      const id = s.newId();
      await s.broker.updates.append(undefined, s.queue, id, messages(4));
      const read = await s.broker.updates.read(s.queue, id, undefined, 2);
      await s.broker.updates.append(undefined, s.queue, id, messages(25, "n"));
      assert.deepEqual(await all(s, id), messages(25, "n").slice(-10));
      const { updates } = await s.broker.updates
        .read(s.queue, id, read.position, 2);
      assert.deepEqual(updates, ["n15", "n16"]);
      await s.broker.updates.append(undefined, s.queue, id, ["last"]);
      assert.deepEqual((await all(s, id)).at(0), "n16");
    },
    { updates: 10 },
  );

  test("thousands of updates may be stored at once", async (s) => {
    const id = s.newId();
    const many = messages(5000);
    await s.broker.updates.append(undefined, s.queue, id, many);
    assert.deepEqual(await all(s, id), many.slice(-1000));
  });

  test(
    "updates go when the last one is old enough, and a reader's place outlives them",
    async (s) => {
      const id = s.newId();
      await s.broker.updates.append(undefined, s.queue, id, messages(3));
      const { position } = await s.broker.updates
        .read(s.queue, id, undefined, 10);
      await s.pass(1100);
      await eventually(async () => assert.deepEqual(await all(s, id), []));
      await s.broker.updates.append(undefined, s.queue, id, ["new"]);
      const { updates } = await s.broker.updates
        .read(s.queue, id, position, 10);
      assert.deepEqual(updates, ["new"]);
    },
    { updateAgeMs: 500 },
  );

  test("a new update lets the ones before stay longer", async (s) => {
    const id = s.newId();
    await s.broker.updates.append(undefined, s.queue, id, ["1"]);
    await s.pass(3_000_000);
    await s.broker.updates.append(undefined, s.queue, id, ["2"]);
    await s.pass(3_000_000);
    assert.deepEqual(await all(s, id), ["1", "2"]);
  });

  test("a worker whose lease has lapsed stores no updates", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    const id = `${s.producer}.0`;
    await s.broker.updates.append(worker.name, s.queue, id, ["1"]);
    await worker.die();
    for (const name of [worker.name, "nobody"]) {
      await assert.rejects(
        s.broker.updates.append(name, s.queue, id, ["2"]),
        FencedError,
      );
    }
    assert.deepEqual(await all(s, id), ["1"]);
  });

  test("what is reported before an outcome is stored before it", async (s) => {
    const [id] = await s.push("a");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    // Not awaited: the order of the calls is enough.
    const stored = s.broker.updates.append(worker.name, s.queue, id, ["1"]);
    await worker.settle({ kind: "done", token: tokens[0], id, outcome: "2" });
    assert.deepEqual(await all(s, id), ["1"]);
    await stored;
  });

  test("who watches a job hears of its updates over another connection", async (s) => {
    const reader = await s.store.second();
    const id = s.newId();
    let heard = 0;
    await using _watch = await reader.updates
      .watch(s.queue, id, () => heard++);
    for (let round = 0; round < 5; round++) {
      const before = heard;
      await s.broker.updates.append(undefined, s.queue, id, [`${round}`]);
      await eventually(() => assert.ok(heard > before));
    }
  });

  test("who watches a job does not hear of others, nor of outcomes", async (s) => {
    const [watched, other] = [s.newId(), s.newId()];
    let heard = 0;
    const watch = await s.broker.updates
      .watch(s.queue, watched, () => heard++);
    const append = async (id: string) => {
      let told = false;
      await using _other = await s.broker.updates
        .watch(s.queue, id, () => told = true);
      await s.broker.updates.append(undefined, s.queue, id, ["1"]);
      await eventually(() => told);
    };
    await s.broker.record(s.queue, [{ id: watched, outcome: "1" }]);
    await append(other);
    assert.equal(heard, 0);
    await watch[Symbol.asyncDispose]();
    await append(watched);
    assert.equal(heard, 0);
  });

  test("nothing that is reported after a watch began can be missed", async (s) => {
    const writer = await s.store.second();
    for (let round = 0; round < 10; round++) {
      const id = s.newId();
      let heard = false;
      await using _watch = await s.broker.updates
        .watch(s.queue, id, () => heard = true);
      await writer.updates.append(undefined, s.queue, id, ["1"]);
      await eventually(() => heard, 5000);
    }
  });
}

/** All stored updates of a job. */
async function all(s: Scene, id: string): Promise<readonly string[]> {
  return (await s.broker.updates.read(s.queue, id, undefined, 10_000)).updates;
}
