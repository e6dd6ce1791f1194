import assert from "node:assert/strict";
import { JobCancelledError } from "../../src/errors.ts";
import type { JobSpec } from "../../src/job/policy.ts";
import { onEachBroker, returned } from "./scene.ts";

const SUM = "mqk:calculator#sum";
const UNIQUE: JobSpec = { job: SUM, unique: {} };

onEachBroker(
  "the same call is one job until it has ended; another call is another one",
  async (scene) => {
    const { client } = scene;
    const first = await client.invoke(UNIQUE, 1, 2);
    assert.equal((await client.invoke(UNIQUE, 1, 2)).id, first.id);
    assert.notEqual((await client.invoke(UNIQUE, 2, 1)).id, first.id);
    const other = { ...UNIQUE, queue: "other" };
    assert.notEqual((await client.invoke(other, 1, 2)).id, first.id);
    const same = await client.invoke(UNIQUE, 1, 2);
    const waiting = same.result();
    const [job] = await scene.reserve(1);
    assert.equal(job.message.unique?.until, "end");
    const ties = { id: job.message.id!, unique: job.message.unique!.key };
    await scene.broker.settle(job.worker, job.queue, [
      { ...job.settlement(returned(3)), ties },
    ]);
    assert.equal(await waiting, 3);
    assert.notEqual((await client.invoke(UNIQUE, 1, 2)).id, first.id);
  },
);

onEachBroker(
  "of equal calls in one batch one is stored, and all answer with it",
  async (scene) => {
    const calls = Array.from(
      { length: 5 },
      () => ({ ...UNIQUE, args: [1, 2] }),
    );
    const jobs = await scene.client.invokeMany(calls);
    assert.equal(new Set(jobs.map(({ id }) => id)).size, 1);
    assert.equal((await scene.broker.counts(["default"]))[0].ready, 1);
  },
);

onEachBroker("a job that replaces another one cancels it", async (scene) => {
  const replace: JobSpec = {
    job: SUM,
    delay: 3600,
    unique: { key: "index", onConflict: "replace" },
  };
  const first = await scene.client.invoke(replace, 1);
  const second = await scene.client.invoke(replace, 2);
  assert.notEqual(first.id, second.id);
  await assert.rejects(first.result(), JobCancelledError);
  assert.equal(await first.status(), "cancelled");
  assert.equal(await second.status(), "pending");
});

onEachBroker(
  "a job that is cancelled while it waits is sent anew",
  async (scene) => {
    const later = { ...UNIQUE, delay: 3600 };
    const first = await scene.client.invoke(later, 1, 2);
    assert.equal(await first.cancel(), true);
    const second = await scene.client.invoke(later, 1, 2);
    assert.notEqual(second.id, first.id);
    assert.equal(await second.status(), "pending");
  },
);

onEachBroker(
  "a key of some seconds is free after them, not before",
  async (scene) => {
    const once: JobSpec = { job: SUM, unique: { key: "k", for: 1 } };
    const first = await scene.client.invoke(once);
    const [job] = await scene.reserve(1);
    assert.equal(job.message.unique, undefined, "no worker need know it");
    await job.end(returned(1));
    assert.equal((await scene.client.invoke(once)).id, first.id);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.notEqual((await scene.client.invoke(once)).id, first.id);
  },
);
