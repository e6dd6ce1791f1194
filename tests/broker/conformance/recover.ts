import assert from "node:assert/strict";
import { FencedError, LEASE_TICKS } from "../../../src/broker/broker.ts";
import { messages, type Scene, type Test, type TestWorker } from "./scene.ts";

/** Cases of `recover`, and of the fence that it leaves. */
export function recoverCases(test: Test): void {
  test("what a replaced worker held is suspect at once, behind other suspects, in its order", async (s) => {
    await s.leave({ suspects: ["earlier"] });
    await s.push(...messages(25));
    const worker = s.worker();
    await worker.reserve({ limit: 12, idle: false });
    await worker.reserve({ limit: 11, idle: false });
    assert.equal(await worker.die(), 23);
    await s.counts({ ready: 2, suspect: 24 });
    assert.deepEqual(await s.drain(), [
      "m23",
      "m24",
      "earlier",
      ...messages(23),
    ]);
  });

  test("crashed jobs that nobody settled are crashed again, in their order", async (s) => {
    await s.leave({ crashed: ["a", "b", "c"] });
    const worker = s.worker();
    await worker.reserve();
    await worker.die();
    await s.counts({ crashed: 3 });
    const { kind, messages } = await s.worker().reserve();
    assert.deepEqual([kind, messages], ["crashed", ["a", "b", "c"]]);
  });

  test("a suspect that had not begun is the first suspect again", async (s) => {
    await s.leave({ suspects: ["a", "b"] });
    const worker = s.worker();
    await worker.reserve();
    await worker.die();
    const { kind, messages } = await s.worker().reserve();
    assert.deepEqual([kind, messages], ["suspect", ["a"]]);
  });

  test("1,500 jobs are recovered in one call, in their order", async (s) => {
    const all = messages(1500);
    await s.push(...all);
    const worker = s.worker();
    await worker.reserve();
    await worker.reserve();
    assert.equal(await worker.die(), 1500);
    assert.deepEqual(await s.drain(), all);
  });

  test("every late command of a recovered worker is refused and changes nothing", async (s) => {
    const { worker, tokens, ids } = await afterRecovery(s);
    const before = await s.broker.counts([s.queue]);
    for (const [verb, command] of commands(s, worker, tokens, ids)) {
      await assert.rejects(command, FencedError, verb);
      assert.deepEqual(await s.broker.counts([s.queue]), before, verb);
    }
    assert.deepEqual(await s.broker.results(s.queue, ids), [null, null, null]);
    assert.deepEqual(await s.drain(), ["m3", "m0", "m1", "m2"]);
  });

  test("late commands are refused while others hold the same jobs", async (s) => {
    const { worker, tokens, ids } = await afterRecovery(s);
    const other = s.worker(await s.store.second());
    const held = await other.reserve();
    for (const [verb, command] of commands(s, worker, tokens, ids)) {
      await assert.rejects(command, FencedError, verb);
    }
    await s.counts({ ready: 1, suspect: 2, held: 1 });
    assert.equal(
      await other.settle({
        kind: "done",
        token: held.tokens[0],
        id: ids[0],
        outcome: "mine",
      }),
      1,
    );
    assert.equal(await s.result(ids[0]), "mine");
  });

  test("a worker that dies before its first command is refused when that arrives", async (s) => {
    await s.push("a");
    const worker = s.worker();
    assert.equal(await worker.die(), 0);
    await assert.rejects(worker.reserve(), FencedError);
    await s.counts({ ready: 1 });
  });

  test("a second recovery of the same worker finds nothing", async (s) => {
    await s.push("a", "b");
    const worker = s.worker();
    await worker.reserve();
    assert.equal(await worker.die(), 2);
    assert.equal(await worker.die(), 0);
    assert.equal(await s.broker.recover(worker.name, s.queue, "lapsed"), 0);
    await s.counts({ suspect: 2 });
    await assert.rejects(worker.reserve({ known: 0 }), FencedError);
  });

  test("of two that recover the same worker at once a single one finds its jobs", async (s) => {
    await s.push(...messages(50));
    const worker = s.worker();
    await worker.reserve();
    const other = await s.store.second();
    const found = await Promise.all([
      worker.die(),
      other.recover(worker.name, s.queue, "replaced"),
    ]);
    assert.deepEqual(found.sort(), [0, 50]);
    await s.counts({ suspect: 50 });
  });

  test("recovery of a worker changes nothing for others, nor in other queues", async (s) => {
    await s.push("a", "b");
    const [worker, other] = [s.worker(), s.worker()];
    await worker.reserve({ limit: 1 });
    const { tokens } = await other.reserve();
    const request = { limit: 1, bytes: 99, known: 0, idle: false };
    const elsewhere = s.queue + "x";
    await s.broker.enqueue([{ id: s.newId(), queue: elsewhere, message: "c" }]);
    await s.broker.reserve(worker.name, elsewhere, request);
    await worker.die();
    assert.equal(await other.renew(), 1);
    assert.equal(await other.done(...tokens), 1);
    assert.deepEqual(
      (await s.broker.renew(worker.name, [elsewhere])).map((r) => r.held),
      [1],
    );
  });

  test("a worker that lives is not recovered as lapsed", async (s) => {
    await s.push("a");
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await s.tick(LEASE_TICKS - 1);
    assert.equal(await s.broker.recover(worker.name, s.queue, "lapsed"), 0);
    await s.tick();
    await worker.renew();
    assert.equal(
      await s.broker.recover(worker.name, s.queue, "lapsed"),
      0,
      "it was late, and renewed just before",
    );
    assert.equal(await worker.done(...tokens), 1);
  });

  test("the mark of a dead worker refuses it for 60 ticks", async (s) => {
    await s.push("a");
    const worker = s.worker();
    await worker.reserve();
    await worker.die();
    assert.deepEqual((await s.tick(59)).lapsed, []);
    await assert.rejects(worker.reserve({ known: 0 }), FencedError);
    await assert.rejects(worker.reserve(), FencedError);
    await s.tick();
    const { kind } = await worker.reserve({ known: 0, idle: true });
    assert.equal(kind, "suspect");
  });
}

/** Three of four jobs were held by a worker whose place was taken. */
async function afterRecovery(
  s: Scene,
): Promise<{ worker: TestWorker; tokens: readonly string[]; ids: string[] }> {
  const ids = await s.push(...messages(4));
  const worker = s.worker();
  const { tokens } = await worker.reserve({ limit: 3 });
  await worker.die();
  return { worker, tokens, ids: ids.slice(0, 3) };
}

/** Every command by which a worker may change something. */
function commands(
  s: Scene,
  { name }: TestWorker,
  tokens: readonly string[],
  ids: readonly string[],
): [string, () => Promise<unknown>][] {
  const { broker, queue } = s;
  const [token] = tokens;
  const request = { limit: 9, bytes: 9999, idle: true };
  return [
    ["reserve", () => broker.reserve(name, queue, { ...request, known: 3 })],
    [
      "reserve of an idle one",
      () => broker.reserve(name, queue, { ...request, known: 0 }),
    ],
    ["begin", () => broker.begin(name, queue, token)],
    ["settle", () =>
      broker.settle(name, queue, [
        { kind: "done", token: tokens[0], id: ids[0], outcome: "late" },
        { kind: "retry", token: tokens[1], message: "late", delayMs: 0 },
        {
          kind: "failed",
          token: tokens[2],
          entry: "late",
          id: ids[2],
          outcome: "!late",
        },
      ])],
    ["release", () => broker.release(name, queue, tokens)],
    ["renew", () => broker.renew(name, [queue])],
    ["reconcile", () => broker.reconcile(name, queue, tokens)],
    ["reconcile to nothing", () => broker.reconcile(name, queue, [])],
  ];
}
