import assert from "node:assert/strict";
import { JobCancelledError } from "../../src/errors.ts";
import { onEachBroker, returned } from "./scene.ts";

const SUM = "mqk:calculator#sum";

onEachBroker(
  "whoever waits for a job hears at once that it was cancelled",
  async (scene) => {
    const job = await scene.client.invoke({ job: SUM, delay: 60 }, 1, 2);
    const waiting = assert.rejects(
      job.result({ timeout: 20 }),
      (error: Error) => {
        assert.ok(error instanceof JobCancelledError);
        assert.ok(error.message.includes(job.id));
        return true;
      },
    );
    assert.equal(await job.cancel(), true);
    await waiting;
    assert.equal(await job.status(), "cancelled");
    assert.equal(await job.cancel(), false, "it has ended");
  },
);

onEachBroker("a job that has ended can't be cancelled", async (scene) => {
  const job = await scene.client.invoke(SUM, 1, 2);
  await scene.end(returned(3));
  assert.equal(await job.cancel(), false);
  assert.equal(await job.result(), 3);
});

onEachBroker(
  "what a job returns before its worker has heard counts",
  async (scene) => {
    const job = await scene.client.invoke(SUM, 1, 2);
    const [reserved] = await scene.reserve(1);
    await job.cancel();
    await reserved.end(returned(3));
    assert.equal(await job.status(), "done");
    assert.equal(await job.result(), 3);
  },
);

onEachBroker("a job is cancelled by its handle", async (scene) => {
  const { handle } = await scene.client.invoke(SUM, 1, 2);
  assert.equal(await scene.client.job(handle).cancel(), true);
  assert.equal(await scene.client.job(handle).status(), "cancelled");
});

onEachBroker(
  "a job without a kept result is cancelled as well",
  async (scene) => {
    const spec = { job: SUM, result: false };
    const job = await scene.client.invoke(spec, 1, 2);
    assert.equal(await job.cancel(), true);
    assert.equal(await job.status(), "pending", "it leaves nothing to see");
    assert.deepEqual((await scene.broker.cancelled("default", 0)).ids, [
      job.id,
    ]);
  },
);
