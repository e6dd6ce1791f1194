import assert from "node:assert/strict";
import { openBroker } from "../../src/broker/open.ts";
import { JobFailedError } from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";
import { readPid } from "../harness/read_pid.ts";
import { type BrokerKind, Site } from "./site.ts";

const BOTH = ["redis", "sqlite"] satisfies BrokerKind[];

const JOBS = `
import { predecessors } from "@mqk/core";
export async function slow(name, ms) {
  const before = await predecessors();
  ran();
  Deno.writeTextFileSync(name + ".pid", String(Deno.pid));
  await sleep(ms);
  return [...before.map(({ value }) => value), name].join(" ");
}
export function number(n) { return n; }
export async function total() {
  const before = await predecessors();
  return before.reduce((sum, { value }) => sum + value, 0);
}
export async function seen() {
  return (await predecessors()).map(({ status, error }) =>
    status + (error ? " " + error.message : ""));
}
export function fails() { throw new Error("no luck"); }
`;

for (const kind of BOTH) {
  Deno.test(`jobs start after those before them, on other queues and though workers are killed (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const { client } = site;
    const slow = (queue: string, after?: { readonly handle: string }) => ({
      job: "./jobs.ts#slow",
      queue,
      after,
    });
    const mqk = await site.run("-w", "2", "--queue=one", "--queue=two");
    const first = await client.invoke(slow("one"), "first", 1500);
    const second = await client.invoke(slow("two", first), "second", 1500);
    const third = await client.invoke(slow("one", second), "third", 1);
    for (const name of ["first", "second"]) {
      const file = `${site.dir.path}/${name}.pid`;
      const pid = await eventually(() => readPid(file), 30_000);
      const recovered = () =>
        mqk.stderr.filter((line) => /Recovered/.test(line)).length;
      const before = recovered();
      Deno.kill(pid, "SIGKILL");
      await eventually(() => assert.equal(recovered(), before + 1), 20_000);
    }
    const result = await third.result({ timeout: 60 });
    assert.equal(result, "first second third");
    const order = [...new Set(site.lines().map(({ id }) => id))];
    assert.deepEqual(order, [first.id, second.id, third.id]);
  });

  Deno.test(`a callback runs once after a thousand jobs, with what they returned (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const calls = Array.from({ length: 1000 }, (_, n) => ({
      job: "./jobs.ts#number",
      args: [n],
      queue: n % 2 === 0 ? "even" : "odd",
    }));
    await site.run("-w", "2", "--queue=even", "--queue=odd", "--queue=total");
    const { jobs, then } = await site.client.invokeAll(calls, {
      then: { job: "./jobs.ts#total", queue: "total" },
    });
    assert.equal(jobs.length, 1000);
    assert.equal(await then.result({ timeout: 60 }), 499_500);
    await using broker = await openBroker(site.dsn);
    const counts = await broker.counts(["even", "odd", "total"]);
    assert.ok(
      counts.every(({ scheduled, failed }) => scheduled + failed === 0),
    );
  });

  Deno.test(`a callback sees which jobs failed or were cancelled; with onFailure skip it fails as well (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const { client } = site;
    const fine = await client.invoke("./jobs.ts#number", 1);
    const failing = await client.invoke({
      job: "./jobs.ts#fails",
      retries: 0,
    });
    const cancelled = await client.invoke({
      job: "./jobs.ts#number",
      delay: 3600,
    }, 2);
    const after = [fine, failing, cancelled];
    const seen = { job: "./jobs.ts#seen" };
    const runs = await client.invoke({ ...seen, after });
    const skips = await client.invoke({ ...seen, after, onFailure: "skip" });
    const last = await client.invoke({ ...seen, after: skips });
    await cancelled.cancel();
    const mqk = await site.run("-w", "1", "--burst");
    assert.equal(await mqk.exitCode(), 1, "jobs have failed");
    assert.deepEqual(await runs.result(), [
      "done",
      "failed no luck",
      "cancelled",
    ]);
    await assert.rejects(skips.result(), (error: JobFailedError) => {
      assert.ok(error instanceof JobFailedError);
      assert.equal((error.cause as Error).name, "PredecessorFailedError");
      assert.ok((error.cause as Error).message.includes(failing.id));
      return true;
    });
    const [status] = await last.result() as string[];
    assert.match(status, /^failed job .* has not succeeded/);
  });

  Deno.test(`a job that waits for others is cancelled, and does not run after them (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const { client } = site;
    const first = await client.invoke("./jobs.ts#number", 1);
    const waiting = await client.invoke(
      { job: "./jobs.ts#slow", after: first },
      "x",
      1,
    );
    const last = await client.invoke({ job: "./jobs.ts#seen", after: waiting });
    assert.equal(await waiting.cancel(), true);
    assert.equal(await waiting.status(), "cancelled");
    const mqk = await site.run("-w", "1", "--burst");
    assert.equal(await mqk.exitCode(), 0);
    assert.deepEqual(await last.result(), ["cancelled"]);
    assert.deepEqual(site.lines(), []);
    await using broker = await openBroker(site.dsn);
    assert.equal((await broker.counts(["default"]))[0].scheduled, 0);
  });
}
