import assert from "node:assert/strict";
import {
  FencedError,
  LEASE_TICKS,
  SchemaError,
} from "../../../src/broker/broker.ts";
import type { Scene, Test } from "./scene.ts";

/** Cases of `renew`, and of the schema that it reports. */
export function renewCases(test: Test): void {
  test("renew answers, queue by queue, how many jobs the worker holds", async (s) => {
    const worker = s.worker();
    const other = s.queue + "x";
    await s.push("a", "b", "c");
    await s.broker.enqueue([{ id: s.newId(), queue: other, message: "d" }]);
    await worker.reserve({ limit: 2 });
    await reserveOne(s, worker.name, other);
    assert.deepEqual(await s.broker.renew(worker.name, [other, s.queue]), [
      { held: 1, schema: s.broker.schemaVersion, cancels: 0 },
      { held: 2, schema: s.broker.schemaVersion, cancels: 0 },
    ]);
    assert.deepEqual(await s.broker.renew(worker.name, []), []);
  });

  test("a lease that is renewed does not lapse", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    for (let i = 0; i < 3; i++) {
      assert.deepEqual((await s.tick(LEASE_TICKS - 1)).lapsed, []);
      assert.equal(await worker.renew(), 1);
    }
    await s.counts({ held: 1 });
  });

  test("a lease that has lapsed is not renewed, in whichever queue", async (s) => {
    await s.push("a");
    const worker = s.worker();
    const other = s.queue + "x";
    await worker.reserve();
    await reserveOne(s, worker.name, other);
    await s.broker.recover(worker.name, other, "replaced");
    assert.equal(await worker.renew(), 1);
    await assert.rejects(
      s.broker.renew(worker.name, [s.queue, other]),
      FencedError,
    );
  });

  test("a worker that never reserved there has no lease to renew", async (s) => {
    await assert.rejects(s.worker().renew(), FencedError);
  });

  test("a later version that writes to the store is reported to those that run, and refuses those that start", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    if (s.store.setSchema === undefined) return;
    await s.store.setSchema(s.queue, s.broker.schemaVersion + 1);
    const [renewal] = await s.broker.renew(worker.name, [s.queue]);
    assert.equal(renewal.schema, s.broker.schemaVersion + 1);
    await assert.rejects(
      async () => {
        const broker = await s.store.second();
        await broker.register([s.queue]);
      },
      (error: Error) =>
        error instanceof SchemaError &&
        error.message.includes(`${s.broker.schemaVersion + 1}`) &&
        error.message.includes(`${s.broker.schemaVersion}`),
    );
    await assert.rejects(async () => {
      const broker = await s.store.second();
      await broker.enqueue([
        { id: s.newId(), queue: s.queue, message: "b" },
      ]);
    });
    await s.counts({ held: 1 });
  });
}

async function reserveOne(
  s: Scene,
  worker: string,
  queue: string,
): Promise<void> {
  await s.broker.reserve(worker, queue, {
    limit: 1,
    bytes: 1000,
    known: 0,
    idle: false,
  });
}
