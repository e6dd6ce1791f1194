import assert from "node:assert/strict";
import { openBroker } from "../../src/broker/open.ts";
import { eventually } from "../harness/eventually.ts";
import { type BrokerKind, Site } from "./site.ts";

const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];

const JOBS = `
export async function long() { ran(); await sleep(2000); return "ended"; }
export function short() { ran(); }
`;

for (const kind of BOTH) {
  Deno.test(`while a queue is paused what runs ends, and nothing else starts (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const { client } = site;
    const mqk = await site.run("-w", "2", "--queue=slow", "--queue=other");
    const running = await client.invoke({
      job: "./jobs.ts#long",
      queue: "slow",
    });
    await eventually(() => assert.equal(site.lines().length, 1));
    await client.queue("slow").pause();
    assert.equal((await client.queue("slow").status()).paused, true);
    const waiting = await client.invokeMany(
      Array.from({ length: 20 }, () => ({
        job: "./jobs.ts#short",
        queue: "slow",
      })),
    );
    const other = { job: "./jobs.ts#short", queue: "other" };
    await (await client.invoke(other)).result();
    assert.equal(await running.result(), "ended");
    assert.equal(site.lines().length, 2, "the long one and the other queue's");
    await client.queue("slow").resume();
    await Promise.all(waiting.map((job) => job.result({ timeout: 20 })));
    assert.equal(mqk.workerPids.length, 2);
  });

  Deno.test(`burst mode ends though a paused queue has jobs, and says so at its start (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const { client } = site;
    await client.queue("slow").pause();
    const short = { job: "./jobs.ts#short" };
    await client.invoke({ ...short, queue: "slow" });
    const job = await client.invoke({ ...short, queue: "other" });
    const queues = ["--queue=slow", "--queue=other"];
    const mqk = await site.run("-w", "1", "--burst", ...queues);
    assert.equal(await mqk.exitCode(), 0);
    assert.equal(await job.status(), "done");
    assert.deepEqual(site.lines().map(({ id }) => id), [job.id]);
    assert.ok(
      mqk.stderr.some((line) => line.includes("Queue slow is paused")),
      mqk.stderr.join("\n"),
    );
    await using broker = await openBroker(site.dsn);
    assert.equal((await broker.counts(["slow"]))[0].ready, 1);
    await client.queue("slow").resume();
    const next = await site.run("-w", "1", "--burst", ...queues);
    assert.equal(await next.exitCode(), 0);
    assert.equal(site.lines().length, 2);
  });
}
