import assert from "node:assert/strict";
import { join } from "node:path";
import { ArgumentError, BrokerError } from "../../src/errors.ts";
import type { ScheduleSpec } from "../../src/job/schedule.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";
import { Scene } from "./scene.ts";

const SPEC: ScheduleSpec = {
  job: "./x.ts#f",
  args: [1, "two"],
  every: 3600,
  queue: "high",
  retries: 7,
};

/** Declares a test for each broker. */
function testBoth(name: string, run: (scene: Scene) => Promise<void>): void {
  Deno.test(`Redis: ${name}`, async () => {
    await using redis = await RedisServer.start();
    await using scene = await Scene.open(redis.dsn);
    await run(scene);
  });
  Deno.test(`SQLite: ${name}`, async () => {
    await using folder = new TempDir();
    const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
    await using scene = await Scene.open(dsn);
    await run(scene);
  });
}

testBoth(
  "a schedule is defined, found, changed and deleted",
  async ({ client }) => {
    const defined = await client.schedule("nightly", SPEC);
    assert.equal(defined.paused, false);
    assert.equal(defined.nextAt!.getTime() % 3_600_000, 0);
    assert.ok(defined.nextAt!.getTime() > Date.now());

    const [listed] = await client.schedules("high");
    assert.deepEqual([listed.name, listed.queue], ["nightly", "high"]);
    assert.deepEqual(listed.spec, {
      ...SPEC,
      ttl: 60,
      backoff: "exponential",
      result: true,
      missed: "last",
    });

    const changed = await client.schedule("nightly", { ...SPEC, every: 60 });
    assert.ok(changed.nextAt!.getTime() <= Date.now() + 60_000);
    assert.equal((await client.schedules()).length, 1);

    assert.equal(await listed.delete(), true);
    assert.equal(await listed.delete(), false);
    assert.equal(await listed.pause(), false);
    assert.equal(await listed.resume(), false);
    assert.deepEqual(await client.schedules(), []);
  },
);

testBoth(
  "one that is paused stays so when it is defined again",
  async ({ client }) => {
    const schedule = await client.schedule("nightly", SPEC);
    assert.equal(await schedule.pause(), true);
    for (const spec of [SPEC, { ...SPEC, every: 60 }]) {
      const { paused, nextAt } = await client.schedule("nightly", spec);
      assert.deepEqual([paused, nextAt], [true, undefined]);
    }
    assert.equal(await schedule.resume(), true);
    const [resumed] = await client.schedules();
    assert.equal(resumed.paused, false);
    assert.ok(resumed.nextAt!.getTime() <= Date.now() + 60_000);
  },
);

testBoth(
  "running it now sends one more job, with an id of its own",
  async (scene) => {
    const schedule = await scene.client.schedule("nightly", SPEC);
    const job = await schedule.runNow();
    const [{ message }] = await scene.reserve(1, "high");
    assert.equal(message.id, job.id);
    assert.doesNotMatch(job.id, /^nightly\./);
    assert.deepEqual(message.args, SPEC.args);
    assert.equal(message.retries, 7);
    const [{ nextAt }] = await scene.client.schedules();
    assert.deepEqual(nextAt, schedule.nextAt);
  },
);

testBoth(
  "what can't be a schedule is refused, and nothing is stored",
  async ({ client }) => {
    const wrong: [string, Partial<ScheduleSpec>][] = [
      ["a b", {}],
      ["a", { every: undefined, cron: "61 * * * *" }],
      ["a", { every: undefined, cron: "0 3 * * *", timeZone: "Mars/X" }],
      ["a", { queue: "no queue" }],
    ];
    for (const [name, fields] of wrong) {
      await assert.rejects(
        client.schedule(name, { ...SPEC, ...fields }),
        ArgumentError,
      );
    }
    await assert.rejects(client.schedules("no queue"), ArgumentError);
    assert.deepEqual(await client.schedules(), []);
  },
);

testBoth(
  "one of a later version is listed and can be deleted",
  async (scene) => {
    await scene.broker.schedules.define({
      queue: "high",
      name: "later",
      definition: '{"v":2}',
      nextMs: Infinity,
    });
    const [later] = await scene.client.schedules();
    assert.throws(() => later.spec, BrokerError);
    await assert.rejects(later.runNow(), BrokerError);
    assert.equal(await later.delete(), true);
  },
);
