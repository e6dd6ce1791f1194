import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import { ArgumentError } from "../../src/errors.ts";
import type { Limits } from "../../src/job/limits.ts";
import { onEachBroker } from "./scene.ts";

onEachBroker(
  "a queue is paused and resumed, and its status says so",
  async (scene) => {
    const queue = scene.client.queue("mail");
    assert.deepEqual(await queue.status(), { paused: false, limits: {} });
    await queue.pause();
    await queue.pause();
    assert.deepEqual(await queue.status(), { paused: true, limits: {} });
    await queue.resume();
    assert.deepEqual(await queue.status(), { paused: false, limits: {} });
  },
);

onEachBroker(
  "the status has the limits as they were set, and none after {}",
  async (scene) => {
    const queue = scene.client.queue("mail");
    const limits: Limits = {
      concurrency: 50,
      rate: { jobs: 100, per: 60 },
      group: { concurrency: 1, rate: { jobs: 1, per: 0.1 } },
      groups: { "tenant-7": { concurrency: 4 }, free: {} },
    };
    await queue.setLimits(limits);
    await queue.pause();
    assert.deepEqual(await queue.status(), { paused: true, limits });
    await queue.setLimits({ concurrency: 1 });
    const { limits: replaced } = await queue.status();
    assert.deepEqual(replaced, { concurrency: 1 }, "it replaces all of them");
    await queue.setLimits({});
    assert.deepEqual(await queue.status(), { paused: true, limits: {} });
  },
);

Deno.test("wrong limits and names are refused before anything is asked", async () => {
  await using client = connect("redis://127.0.0.1:1");
  assert.throws(() => client.queue("a b"), ArgumentError);
  const queue = client.queue("mail");
  await assert.rejects(queue.setLimits({ concurrency: 0 }), ArgumentError);
});
