import assert from "node:assert/strict";
import { FencedError } from "../../../src/broker/broker.ts";
import type { Test } from "./scene.ts";

/** Cases of `begin`. */
export function beginCases(test: Test): void {
  test("begin gives a suspect a new token, under which it is settled", async (s) => {
    await s.leave({ suspects: ["a"] });
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    const begun = await worker.begin(token);
    assert.notEqual(begun, token);
    await s.counts({ held: 1 });
    assert.equal(await worker.done(token), 0, "the first token is void");
    await s.counts({ held: 1 });
    assert.equal(await worker.done(begun), 1);
    await s.counts({});
  });

  test("begin is idempotent", async (s) => {
    await s.leave({ suspects: ["a"] });
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    const begun = await worker.begin(token);
    assert.equal(
      await s.broker.begin(worker.name, s.queue, token),
      begun,
      "as after a lost answer",
    );
    await s.counts({ held: 1 });
    assert.equal(await worker.done(begun), 1);
  });

  test("begin of what has begun answers with the same token and changes nothing", async (s) => {
    await s.leave({ suspects: ["a"] });
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    const begun = await worker.begin(token);
    assert.equal(await worker.begin(begun), begun);
    await s.counts({ held: 1 });
    await worker.die();
    await s.counts({ crashed: 1 });
  });

  test("a suspect that began is charged when its worker dies; one that did not is a suspect again", async (s) => {
    await s.leave({ suspects: ["began", "waited"] });
    const worker = s.worker();
    const first = await worker.reserve({ idle: true });
    await worker.reserve({ idle: true });
    await worker.begin(first.tokens[0]);
    assert.equal(await worker.die(), 2);
    await s.counts({ crashed: 1, suspect: 1 });
    const other = s.worker();
    const crashed = await other.reserve();
    assert.deepEqual([crashed.kind, crashed.messages], ["crashed", ["began"]]);
    const suspect = await other.reserve({ idle: true });
    assert.deepEqual([suspect.kind, suspect.messages], ["suspect", ["waited"]]);
  });

  test("a suspect that never begins is never charged, however many workers die", async (s) => {
    await s.leave({ suspects: ["a", "b"] });
    for (let deaths = 0; deaths < 5; deaths++) {
      const worker = s.worker();
      const { kind, messages } = await worker.reserve();
      assert.deepEqual([kind, messages], ["suspect", ["a"]]);
      await worker.die();
    }
    await s.counts({ suspect: 2 });
  });

  test("begin of a suspect that is not held any more is refused", async (s) => {
    await s.leave({ suspects: ["a", "b"] });
    const worker = s.worker();
    const first = await worker.reserve();
    await worker.release(...first.tokens);
    await assert.rejects(worker.begin(first.tokens[0]), FencedError);
    const second = await worker.reserve();
    const begun = await worker.begin(second.tokens[0]);
    await worker.done(begun);
    await assert.rejects(worker.begin(second.tokens[0]), FencedError);
    await s.counts({ suspect: 1 });
  });

  test("a worker can't begin what another holds", async (s) => {
    await s.leave({ suspects: ["a"] });
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    const other = s.worker();
    await other.reserve();
    await assert.rejects(other.begin(token), FencedError);
    await worker.die();
    await s.counts({ suspect: 1 });
  });
}
