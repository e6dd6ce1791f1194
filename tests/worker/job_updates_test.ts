import assert from "node:assert/strict";
import {
  BrokerUnavailableError,
  FencedError,
} from "../../src/broker/broker.ts";
import type { ToThread } from "../../src/thread/protocol.ts";
import { JobLog } from "../../src/worker/job_log.ts";
import { JobUpdates } from "../../src/worker/job_updates.ts";
import { eventually } from "../harness/eventually.ts";

const RAN = { milliseconds: [], each: 1 };
const DONE = { index: 0, kind: "done" } as const;

/** A store whose answers the test gives, and what the parts around it hear. */
class Scene implements Disposable {
  readonly appended: (readonly string[])[] = [];
  readonly answers: PromiseWithResolvers<void>[] = [];
  readonly ended: [batch: number, index: number][] = [];
  readonly ending = new AbortController();
  /** Updates after which the job may go on. */
  answered = 0;
  readonly #log = new JobLog(-1);
  readonly updates = new JobUpdates({
    updates: {
      append: (_worker, _queue, _id, updates) => {
        this.appended.push(updates);
        const answer = Promise.withResolvers<void>();
        this.answers.push(answer);
        return answer.promise;
      },
    },
    worker: "w",
    log: this.#log,
    ending: this.ending.signal,
    queueOf: (batch) => batch === 1 ? "q" : undefined,
    post: (message: ToThread) => {
      if (message.kind === "reported") this.answered += message.count;
    },
    ended: (batch, jobs) => {
      for (const { index } of jobs) this.ended.push([batch, index]);
    },
  });

  report(index: number, ...updates: string[]): void {
    this.updates
      .add({ kind: "report", batch: 1, index, id: `p.${index}`, updates });
  }

  [Symbol.dispose](): void {
    this.#log[Symbol.dispose]();
  }
}

Deno.test("a job's end is passed on when what it reported is stored, others at once", async () => {
  using scene = new Scene();
  scene.report(0, "a");
  scene.updates.ended(1, [DONE, { ...DONE, index: 1 }], RAN);
  scene.updates.ended(2, [DONE], RAN);
  assert.deepEqual(scene.ended, [[1, 1], [2, 0]]);
  scene.report(0, "b");
  scene.answers[0].resolve();
  await eventually(() => assert.deepEqual(scene.appended, [["a"], ["b"]]));
  assert.equal(scene.ended.length, 2);
  scene.answers[1].resolve();
  await eventually(() => assert.deepEqual(scene.ended.at(-1), [1, 0]));
  scene.updates.ended(1, [DONE], RAN);
  assert.equal(scene.ended.length, 4);
});

Deno.test("a job goes on while there is room, then as fast as the store", async () => {
  using scene = new Scene();
  for (let n = 1; n <= 150; n++) scene.report(0, `${n}`);
  assert.equal(scene.answered, 100);
  scene.answers[0].resolve();
  await eventually(() => assert.equal(scene.appended.length, 2));
  assert.equal(scene.answered, 101);
  assert.equal(scene.appended[1].length, 149, "what came meanwhile, together");
  scene.report(0, "151");
  scene.answers[1].resolve();
  await eventually(() => assert.equal(scene.answered, 151));
  scene.answers[2].resolve();
});

Deno.test("a command holds a thousand updates, or a MiB", async () => {
  using scene = new Scene();
  scene.report(0, "first");
  scene.report(0, ...Array(1500).fill("x"));
  const large = "y".repeat(65_536);
  scene.report(0, ...Array(20).fill(large));
  for (let i = 0; i < 4; i++) {
    await eventually(() => assert.equal(scene.appended.length, i + 1));
    scene.answers[i].resolve();
  }
  assert.deepEqual(
    scene.appended.map(({ length }) => length),
    [1, 1000, 515, 5],
  );
  await eventually(() => assert.equal(scene.answered, 1521));
});

Deno.test("updates are repeated while the broker is away, and lost if it refuses", async () => {
  using scene = new Scene();
  scene.report(0, "a");
  scene.updates.ended(1, [DONE], RAN);
  scene.answers[0].reject(new BrokerUnavailableError("away"));
  await eventually(() => assert.deepEqual(scene.appended, [["a"], ["a"]]));
  assert.deepEqual(scene.ended, []);
  scene.answers[1].reject(new FencedError("lapsed"));
  await eventually(() => assert.deepEqual(scene.ended, [[1, 0]]));
});

Deno.test("nothing is repeated when the process ends", async () => {
  using scene = new Scene();
  scene.report(0, "a");
  scene.updates.ended(1, [DONE], RAN);
  scene.ending.abort();
  scene.answers[0].reject(new BrokerUnavailableError("away"));
  await eventually(() => assert.deepEqual(scene.ended, [[1, 0]]));
  assert.equal(scene.appended.length, 1);
});

Deno.test("reports of a job that is not in flight, or has no usable id, are ignored", () => {
  using scene = new Scene();
  scene.updates.add({
    kind: "report",
    batch: 2,
    index: 0,
    id: "p.1",
    updates: ["a"],
  });
  scene.updates.add({
    kind: "report",
    batch: 1,
    index: 0,
    id: "../p",
    updates: ["a"],
  });
  assert.deepEqual(scene.appended, []);
});
