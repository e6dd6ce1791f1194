import assert from "node:assert/strict";
import type { JobRecord, JobState } from "../../../src/broker/inspector.ts";
import type { Scene, Test } from "./scene.ts";

async function list(s: Scene, state: JobState): Promise<JobRecord[]> {
  return await Array.fromAsync(s.inspector.jobs(s.queue, state));
}

/** Whether a job could be stored with this key now; it is, if so. */
async function isFree(s: Scene, key: string): Promise<boolean> {
  const id = s.newId();
  const unique = { key, replace: false };
  const entry = { id, queue: s.queue, message: `probe ${id}`, unique };
  return (await s.broker.enqueue([entry]))[0] === id;
}

/** Cases of looking at and changing jobs that are tied to something. */
export function tiedCases(test: Test): void {
  test("jobs of groups and jobs that wait for others are listed with their messages", async (s) => {
    await s.push("plain");
    const entry = (message: string) => ({
      id: s.newId(),
      queue: s.queue,
      message,
    });
    await s.broker.enqueue([
      { ...entry("in group"), group: "g" },
      { ...entry("in group too"), group: "g" },
      { ...entry("later in group"), group: "g", delayMs: 60_000 },
      { ...entry("blocked"), after: [{ queue: "other", id: "p.1" }] },
    ]);
    const texts = async (state: JobState) =>
      (await list(s, state)).map(({ text }) => text).sort();
    assert.deepEqual(await texts("ready"), [
      "in group",
      "in group too",
      "plain",
    ]);
    assert.deepEqual(await texts("scheduled"), ["later in group"]);
    assert.deepEqual(await texts("blocked"), ["blocked"]);
  });

  test("a job that is removed lets its unique key go, wherever it waits", async (s) => {
    const at = async (
      key: string,
      more: { delayMs?: number; group?: string },
    ) => {
      const id = s.newId();
      const unique = { key, replace: false };
      const message = `message of ${key}`;
      await s.broker.enqueue([
        { id, queue: s.queue, message, unique, ...more },
      ]);
      return { id, unique: key, group: more.group };
    };
    await s.push("in front");
    const ties = [
      await at("ready", {}),
      await at("scheduled", { delayMs: 60_000 }),
      await at("grouped", { group: "g" }),
      await at("later", { group: "g", delayMs: 60_000 }),
    ];
    for (const state of ["ready", "scheduled"] as const) {
      for (const record of await list(s, state)) {
        const own = ties.find(({ unique }) =>
          record.text === `message of ${unique}`
        );
        if (own === undefined) continue;
        assert.equal(await isFree(s, own.unique), false);
        assert.equal(await s.inspector.remove(record, own), true);
        assert.equal(await s.inspector.remove(record, own), false);
        assert.ok(await isFree(s, own.unique), own.unique);
      }
    }
    await s.counts({ ready: 5 });
  });

  test("a job of a group that is removed leaves its turn to the next one", async (s) => {
    await s.broker.control.setLimits(s.queue, { group: { concurrency: 1 } });
    await s.push("in front");
    const entries = ["a", "b", "c"].map((message) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      group: "g",
    }));
    await s.broker.enqueue(entries);
    for (const record of await list(s, "ready")) {
      const entry = entries.find(({ message }) => message === record.text);
      if (entry === undefined || entry.message === "c") continue;
      const { id, group } = entry;
      assert.ok(await s.inspector.remove(record, { id, group }));
    }
    await s.counts({ ready: 2 });
    const { messages } = await s.worker().reserve();
    assert.deepEqual([...messages], ["in front", "c"]);
    await s.counts({ held: 2 });
  });

  test("a job that waits for others can be removed", async (s) => {
    const id = s.newId();
    const after = [{ queue: s.queue, id: "p.1" }];
    await s.broker.enqueue([{ id, queue: s.queue, message: "m", after }]);
    const [record] = await list(s, "blocked");
    assert.equal(await s.inspector.remove(record), true);
    await s.counts({});
  });

  test("a failed job is put back with its unique key, unless another one has it", async (s) => {
    const id = s.newId();
    const unique = { key: "k", replace: false };
    await s.broker.enqueue([{ id, queue: s.queue, message: "m", unique }]);
    const worker = s.worker();
    const { tokens: [token] } = await worker.reserve();
    const ties = { id, unique: "k", group: "g" };
    await worker.settle({ kind: "failed", token, entry: "entry", ties });
    const [record] = await list(s, "failed");
    assert.ok(await isFree(s, "k"));
    const replay = () => s.inspector.replay(record, "again", id, ties);
    assert.equal(await replay(), "taken");
    const probe = await worker.reserve();
    const [probeId] = probe.messages[0].split(" ").slice(1);
    await worker.settle({
      kind: "done",
      token: probe.tokens[0],
      ties: { id: probeId, unique: "k" },
    });
    assert.equal(await replay(), "replayed");
    assert.equal(await replay(), "gone");
    assert.equal(await isFree(s, "k"), false);
    const again = await worker.reserve();
    assert.deepEqual([...again.messages], ["again"]);
    await worker.settle({ kind: "done", token: again.tokens[0], ties });
    assert.ok(await isFree(s, "k"));
  });
}
