import assert from "node:assert/strict";
import type { Batch, Broker } from "../../src/broker/broker.ts";
import type { WorkerConfig } from "../../src/master/orders.ts";
import { Notice } from "../../src/time/notice.ts";
import {
  InFlightJobs,
  type InFlightParts,
} from "../../src/worker/in_flight.ts";
import type { JobThread } from "../../src/worker/job_thread.ts";
import { Lease } from "../../src/worker/lease.ts";
import { eventually } from "../harness/eventually.ts";

const MOST = { limit: 1, bytes: 1000, idle: false };

Deno.test("nothing is left of jobs that the store has forgotten", async () => {
  const never = new AbortController().signal;
  const batches: Partial<Batch>[] = [{ tokens: ["1:0"], messages: ["{}"] }];
  const broker = {
    reserve: () =>
      Promise.resolve({
        ...{ kind: "ready", tokens: [], messages: [], suspects: 0, cancels: 0 },
        ...batches.shift(),
      }),
    reconcile: () => Promise.resolve(["1:0"]),
  };
  const jobs = new InFlightJobs(
    {
      config: {
        queues: ["q"],
        concurrency: 1,
        name: "w",
      } as unknown as WorkerConfig,
      broker: broker as unknown as Broker,
      thread: {
        dispatch: () => {},
        ping: () => 1,
        answered: () => true,
      } as unknown as JobThread,
      lease: new Lease(),
      changed: new Notice(),
      stopping: never,
      ending: never,
      looked: () => {},
    } as unknown as InFlightParts,
  );
  const holdings = jobs.holdings.get("q")!;
  const { flight } = await holdings.reserve(
    MOST,
    (batch) => jobs.adopt("q", batch),
  );
  await jobs.accept(flight!);
  assert.equal(jobs.isIdle, false);
  await holdings.disagree();
  assert.equal(holdings.held, 0);
  await eventually(() => assert.equal(jobs.isIdle, true));
});
