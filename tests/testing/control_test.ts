import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  connect,
  invoke,
  invokeAll,
  invokeMany,
  JobCancelledError,
  schedule,
} from "../../mod.ts";
import { type TestMqk, testMqk, type TestOptions } from "../../testing.ts";
import { ran } from "./jobs/orders.ts";

const ROOT = fileURLToPath(new URL("./jobs", import.meta.url));
const NOTE = "./orders.ts#note";

function open(options: TestOptions = {}): TestMqk {
  ran.length = 0;
  return testMqk({ root: ROOT, ...options });
}

Deno.test("a client that is connected in a test may pause and limit queues", async () => {
  await using mqk = open();
  await using client = connect();
  const queue = client.queue("default");
  await queue.pause();
  await client.invoke(NOTE, "a");
  await mqk.run();
  assert.deepEqual(ran, []);
  await queue.resume();
  await mqk.run();
  assert.deepEqual(ran, ["a"]);
});

Deno.test("a job that is cancelled before a run does not run", async () => {
  await using mqk = open();
  const [a, b] = await invokeMany(
    ["a", "b"].map((name) => ({ job: NOTE, args: [name] })),
  );
  assert.equal(await a.cancel(), true);
  await mqk.run();
  assert.deepEqual(ran, ["b"]);
  assert.deepEqual(
    [await a.status(), await b.status()],
    ["cancelled", "done"],
  );
  await assert.rejects(a.result(), JobCancelledError);
  assert.deepEqual(await mqk.failed(), []);
});

Deno.test("a job that is cancelled while it runs hears of it", async () => {
  await using mqk = open();
  const job = await invoke("./orders.ts#untilAborted", "a");
  const running = mqk.run();
  while (ran.length === 0) await new Promise((done) => setTimeout(done));
  await job.cancel();
  await running;
  assert.equal(await job.status(), "cancelled");
  assert.deepEqual(await mqk.failed(), []);
});

Deno.test("of jobs with one unique key one runs, until it has ended", async () => {
  await using mqk = open();
  const unique = { job: NOTE, unique: {} };
  const first = await invoke(unique, "a");
  assert.equal((await invoke(unique, "a")).id, first.id);
  assert.equal(mqk.jobs().length, 1, "the second one was not stored");
  await mqk.run();
  assert.notEqual((await invoke(unique, "a")).id, first.id);
  await mqk.run();
  assert.deepEqual(ran, ["a", "a"]);
});

Deno.test("a key of some seconds goes by the clock of the test", async () => {
  await using mqk = open();
  const hourly = { job: NOTE, unique: { key: "k", for: 3600 } };
  const first = await invoke(hourly, "a");
  await mqk.advance(3599);
  assert.equal((await invoke(hourly, "b")).id, first.id);
  await mqk.advance(1);
  assert.notEqual((await invoke(hourly, "c")).id, first.id);
  await mqk.run();
  assert.deepEqual(ran, ["a", "c"]);
});

Deno.test("jobs of groups take turns within their limits, and all run", async () => {
  await using mqk = open();
  await mqk.client.queue("default").setLimits({ group: { concurrency: 1 } });
  const names = ["a1", "a2", "a3", "b1"];
  await invokeMany(
    names.map((name) => ({ job: NOTE, args: [name], group: name[0] })),
  );
  assert.deepEqual(mqk.jobs().map(({ group }) => group), ["a", "a", "a", "b"]);
  await mqk.run();
  assert.deepEqual(ran.toSorted(), names);
  assert.ok(ran.indexOf("b1") < ran.indexOf("a3"), ran.join());
});

Deno.test("what a rate holds back runs while the clock moves", async () => {
  await using mqk = open();
  const rate = { jobs: 1, per: 60 };
  await mqk.client.queue("default").setLimits({ group: { rate } });
  await mqk.client.queue("mail").setLimits({ rate });
  for (const [group, queue] of [["g", "default"], [undefined, "mail"]]) {
    await invokeMany(
      [1, 2, 3].map((n) => ({ job: NOTE, args: [queue! + n], queue, group })),
    );
  }
  await mqk.run();
  assert.deepEqual(ran.toSorted(), ["default1", "mail1"]);
  await mqk.advance(70);
  assert.deepEqual(ran.length, 4);
  await mqk.advance(140);
  assert.deepEqual(ran.length, 6);
});

Deno.test("a paused queue waits until it is resumed", async () => {
  await using mqk = open();
  const queue = mqk.client.queue("default");
  await queue.pause();
  const job = await invoke(NOTE, "a");
  await mqk.run();
  await mqk.advance(60);
  assert.equal(await job.status(), "pending");
  await queue.resume();
  await mqk.run();
  assert.equal(await job.status(), "done");
});

Deno.test("a job runs after others, and sees what they returned", async () => {
  await using mqk = open();
  const { then } = await invokeAll(
    ["a", "b"].map((name) => ({ job: NOTE, args: [name] })),
    { then: { job: "./orders.ts#before" } },
  );
  const last = await invoke({ job: "./orders.ts#before", after: then });
  await mqk.run();
  assert.deepEqual(await then.result(), [1, 2]);
  assert.deepEqual(await last.result(), [[1, 2]]);
});

Deno.test("a job after one that fails fails as well, if it is to be skipped", async () => {
  await using mqk = open();
  const first = await invoke("./orders.ts#neverAgain");
  const spec = { job: NOTE, after: first, onFailure: "skip" } as const;
  const second = await invoke(spec, "a");
  await mqk.run();
  assert.equal(await second.status(), "failed");
  assert.deepEqual(ran, []);
  const [, { error }] = await mqk.failed();
  assert.equal(error.name, "PredecessorFailedError");
});

Deno.test("of a schedule with a unique key only one job waits at a time", async () => {
  await using mqk = open({ now: new Date("2030-01-01T00:00:30Z") });
  await schedule("tick", {
    job: NOTE,
    args: ["tick"],
    every: 60,
    unique: {},
    group: "g",
  });
  await mqk.client.queue("default").pause();
  await mqk.advance(300);
  assert.deepEqual(ran, []);
  await mqk.client.queue("default").resume();
  await mqk.run();
  assert.deepEqual(ran, ["tick"]);
  await mqk.advance(120);
  assert.deepEqual(ran, ["tick", "tick", "tick"]);
});

Deno.test("inline, a job runs as soon as those before it have ended", async () => {
  await using _mqk = open({ inline: true });
  const { then } = await invokeAll(
    ["a", "b"].map((name) => ({ job: NOTE, args: [name] })),
    { then: { job: "./orders.ts#before" } },
  );
  assert.equal(await then.status(), "done");
});
