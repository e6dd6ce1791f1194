import assert from "node:assert/strict";
import { openBroker } from "../../src/broker/open.ts";
import { Cancellations } from "../../src/worker/cancellations.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** Cancellations of a real broker, and what the job thread would be told. */
async function scene() {
  const resources = new AsyncDisposableStack();
  const dir = resources.use(new TempDir());
  const open = async (name: string) =>
    resources.use(await openBroker(`sqlite:${dir.path}/${name}.sqlite`));
  let broker = await open("first");
  let reads = 0;
  const told: { ids: readonly string[]; anew: boolean }[] = [];
  const cancellations = new Cancellations({
    cancelled: (queue, after) => {
      reads++;
      return broker.cancelled(queue, after);
    },
  }, (ids, anew) => told.push({ ids, anew }));
  return {
    cancellations,
    told,
    reads: () => reads,
    async empty() {
      broker = await open("second");
    },
    cancel: (ids: readonly string[], queue = "q") =>
      broker.cancel(queue, ids.map((id) => ({ id, dueMs: 0 }))),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

Deno.test("where nothing was cancelled nothing is read", async () => {
  await using s = await scene();
  assert.ok(s.cancellations.isKnown("q", 0));
  assert.equal(s.cancellations.has("p.1"), false);
  assert.equal(s.cancellations.has(undefined), false);
  assert.equal(s.reads(), 0);
});

Deno.test("what was cancelled since is read, and told once", async () => {
  await using s = await scene();
  await s.cancel(["p.1", "p.2"]);
  assert.equal(s.cancellations.isKnown("q", 2), false);
  await s.cancellations.read("q");
  assert.ok(s.cancellations.isKnown("q", 2));
  await s.cancel(["p.3"]);
  await s.cancellations.read("q");
  assert.deepEqual(s.told, [
    { ids: ["p.1", "p.2"], anew: false },
    { ids: ["p.3"], anew: false },
  ]);
  for (const id of ["p.1", "p.2", "p.3"]) assert.ok(s.cancellations.has(id));
  assert.ok(s.cancellations.isKnown("other", 0), "queue by queue");
});

Deno.test("a store that was emptied counts from one again, and is read", async () => {
  await using s = await scene();
  await s.cancel(["p.1", "p.2", "p.3"]);
  await s.cancellations.read("q");
  await s.empty();
  await s.cancel(["p.9"]);
  await s.cancellations.read("q");
  assert.ok(s.cancellations.has("p.9"));
  assert.ok(s.cancellations.isKnown("q", 1));
});

Deno.test("after very many all are read anew, and the thread forgets the others", async () => {
  await using s = await scene();
  await s.cancel(Array.from({ length: 10_001 }, (_, n) => `p.${n}`));
  await s.cancellations.read("q");
  await s.cancel(["p.last"]);
  await s.cancellations.read("q");
  assert.deepEqual(
    s.told.map(({ ids, anew }) => [ids.length, anew]),
    [[10_001, false], [10_002, true]],
  );
  assert.ok(s.cancellations.has("p.0") && s.cancellations.has("p.last"));
});
