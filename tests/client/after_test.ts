import assert from "node:assert/strict";
import { openBroker } from "../../src/broker/open.ts";
import { connect } from "../../src/client/client.ts";
import { predecessors } from "../../src/client/predecessors.ts";
import { ArgumentError } from "../../src/errors.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { onEachBroker, returned } from "./scene.ts";

const SUM = "mqk:calculator#sum";

onEachBroker("a job waits for jobs and handles of any queue", async (scene) => {
  const { client } = scene;
  const one = await client.invoke({ job: SUM, queue: "one" }, 1);
  const two = await client.invoke({ job: SUM, queue: "two" }, 2);
  const last = await client.invoke({ job: SUM, after: [one, two.handle] }, 3);
  await scene.end(returned(1), "two");
  assert.equal((await scene.broker.counts(["default"]))[0].ready, 0);
  await scene.end(returned(1), "one");
  const [job] = await scene.reserve(1);
  assert.equal(job.message.id, last.id);
  assert.deepEqual(job.message.after, [`one/${one.id}`, `two/${two.id}`]);
});

onEachBroker(
  "the callback of no jobs at all is ready at once",
  async (scene) => {
    const { jobs, then } = await scene.client.invokeAll([], {
      then: { job: SUM, args: [1, 2] },
    });
    assert.deepEqual(jobs, []);
    const [job] = await scene.reserve(1);
    assert.equal(job.message.id, then.id);
    assert.equal(job.message.after, undefined);
  },
);

Deno.test("if the jobs can't be stored, their callback does not wait for them", async () => {
  await using redis = await RedisServer.start();
  await using client = connect(redis.dsn);
  await using broker = await openBroker(redis.dsn);
  await redis.call("SET", "mqk:{spoiled}:ready", "not a list");
  const calls = [{ job: SUM, queue: "spoiled" }];
  await assert.rejects(client.invokeAll(calls, { then: { job: SUM } }));
  assert.equal((await broker.counts(["default"]))[0].scheduled, 0);
});

Deno.test("what can't be awaited is refused, and nothing is sent", async () => {
  await using client = connect("redis://127.0.0.1:1");
  const handle = "default/p.1/abc";
  const then = { job: SUM };
  for (
    const [call, message] of [
      [
        () => client.invoke({ job: SUM, after: `${handle}/-` }),
        /result: false/,
      ],
      [() => client.invoke({ job: SUM, after: "no handle" }), /as the handle/],
      [() => client.invoke({ job: SUM, after: [] }), /after 0 jobs/],
      [
        () => client.invokeAll([{ job: SUM, unique: {} }], { then }),
        /idempotencyKey, unique or after/,
      ],
      [
        () => client.invokeAll([{ job: SUM, result: false }], { then }),
        /result: false/,
      ],
      [
        () =>
          client.invokeAll([{ job: SUM }], {
            then: { ...then, after: handle },
          }),
        /`after` in then/,
      ],
      [
        () => client.invokeAll([{ job: SUM }], { then: { ...then, delay: 1 } }),
        /both after and delay/,
      ],
    ] as const
  ) {
    await assert.rejects(call, (error: Error) => {
      assert.ok(error instanceof ArgumentError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("outside a job there are no predecessors", async () => {
  await assert.rejects(predecessors(), /outside a job/);
});
