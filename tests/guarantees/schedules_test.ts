import assert from "node:assert/strict";
import type { Broker } from "../../src/broker/broker.ts";
import { openBroker } from "../../src/broker/open.ts";
import { decodeMessage } from "../../src/job/message.ts";
import { encodeSchedule, type ScheduleSpec } from "../../src/job/schedule.ts";
import { eventually } from "../harness/eventually.ts";
import { type BrokerKind, Site } from "./site.ts";

const JOBS = `
import { schedule } from "@mqk/core";
export async function busy() { await sleep(600_000); }
export function short() { ran(); }
export async function plans() {
  const { nextAt } = await schedule("planned", {
    job: "./jobs.ts#short",
    every: 3600,
  });
  return nextAt?.toISOString();
}
`;
const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];
const HOUR_MS = 3_600_000;
const QUEUE = "timed";

/** Takes all jobs that wait in a queue; answers with their ids. */
async function drain(broker: Broker, queue: string): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const taken = await broker.take(queue, 1000, 2 ** 24);
    if (taken.messages.length === 0) return ids;
    ids.push(...taken.messages.map((text) => decodeMessage(text).id!));
  }
}

for (const kind of BOTH) {
  Deno.test(`each second has one job of each of 20 schedules, while workers are killed (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    await using broker = await openBroker(site.dsn);
    const firstMs = new Map<string, number>();
    for (let i = 0; i < 20; i++) {
      const spec = { job: "./jobs.ts#short", every: 1, queue: QUEUE };
      const { name, nextAt } = await site.client.schedule(`s${i}`, spec);
      firstMs.set(name, nextAt!.getTime());
    }
    // Workers have their hands full, so what they fire stays where it is: what
    // runs again after a kill would look like a second job.
    await site.client.invokeMany(
      Array.from({ length: 2000 }, () => ({ job: "./jobs.ts#busy", ttl: 900 })),
    );
    const mqk = await site.run(
      ...["-w", "3", "--concurrency", "1", "--shutdown-timeout", "0"],
      ...["--queue", "default", "--queue", QUEUE],
    );
    let kills = 0;
    for (let seen = 0; kills < 8; kills++) {
      await eventually(async () => {
        const [{ ready }] = await broker.counts([QUEUE]);
        assert.ok(ready >= seen + 20);
        seen = ready;
      }, 30_000);
      const pids = await eventually(() => {
        const { workerPids } = mqk;
        assert.ok(workerPids.length > 0);
        return workerPids;
      });
      Deno.kill(pids[kills % pids.length], "SIGKILL");
    }
    mqk.signal("SIGTERM");
    await mqk.exitCode();

    assert.deepEqual(site.lines(), []);
    const sent = await drain(broker, QUEUE);
    const expected: string[] = [];
    for (const { name, nextMs } of await broker.schedules.list(QUEUE)) {
      for (let ms = firstMs.get(name)!; ms < nextMs!; ms += 1000) {
        expected.push(`${name}.${ms}`);
      }
    }
    assert.ok(expected.length >= kills * 20, `${expected.length} jobs`);
    assert.deepEqual(sent.sort(), expected.sort());
  });

  Deno.test(`after an hour without workers the missed due times are made up for as told (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    await using broker = await openBroker(site.dsn);
    const nowMs = Date.now();
    const define = (name: string, fields: Partial<ScheduleSpec>) =>
      // As it would be if it had been defined an hour ago.
      broker.schedules.define({
        queue: "default",
        name,
        definition: encodeSchedule({
          job: "./jobs.ts#short",
          every: 900,
          ...fields,
        }),
        nextMs: Math.ceil((nowMs - HOUR_MS) / 900_000) * 900_000,
      });
    await define("last", {});
    await define("all", { missed: "all" });
    await define("none", { missed: "none" });
    await site.run("-w", "2");
    const lastMs = Math.floor(nowMs / 900_000) * 900_000;
    const expected = [0, 1, 2, 3].map((n) => `all.${lastMs - n * 900_000}`)
      .concat(`last.${lastMs}`);
    await eventually(async () => {
      const schedules = await site.client.schedules();
      assert.ok(schedules.every(({ nextAt }) => nextAt!.getTime() > nowMs));
      assert.equal(site.lines().length, expected.length);
    }, 30_000);
    const ids = site.lines().map(({ id }) => id);
    assert.deepEqual(ids.sort(), expected.sort());
  });

  Deno.test(`a job defines a schedule through its worker (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    await site.run("-w", "1");
    const job = await site.client.invoke("./jobs.ts#plans");
    const nextAt = await job.result();
    const [planned, ...others] = await site.client.schedules();
    assert.equal(planned.nextAt?.toISOString(), nextAt);
    assert.deepEqual(others, []);
    await planned.runNow();
    await eventually(() => assert.equal(site.lines().length, 1), 30_000);
  });
}
