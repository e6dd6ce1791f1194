import assert from "node:assert/strict";
import type { Batch, WakeRequest } from "../../src/broker/broker.ts";
import { openBroker } from "../../src/broker/open.ts";
import { Flight } from "../../src/worker/flight.ts";
import { LeasedHoldings } from "../../src/worker/holdings.ts";
import { TempDir } from "../harness/temp_dir.ts";

const QUEUE = "default";
const WORKER = "worker";
const MOST = { limit: 1, bytes: 1024 };

Deno.test("what a wake-up brings after a reconcile is handed back, else it is taken", async () => {
  await using dir = new TempDir();
  await using broker = await openBroker(`sqlite:${dir.path}/queue.sqlite`);
  await broker.enqueue(
    ["a", "b", "c", "d"].map((message, n) => ({
      id: `p.${n}`,
      queue: QUEUE,
      message,
    })),
  );
  const holdings = new LeasedHoldings(
    broker,
    WORKER,
    QUEUE,
    new AbortController().signal,
  );
  let flights = 0;
  const adopt = (batch: Batch) => new Flight(flights++, QUEUE, batch, 0);
  const stale: boolean[] = [];
  const ask = () =>
    holdings.reserveOnWake(
      MOST,
      adopt,
      (_reserved, isStale) => stale.push(isStale),
    );
  const bring = async (request: WakeRequest) =>
    request.reserved(await broker.reserve(WORKER, QUEUE, request));

  await holdings.reserve({ ...MOST, idle: true }, adopt);
  await bring(ask()!);
  assert.deepEqual(stale, [false]);
  assert.equal(holdings.held, 2);

  const early = ask()!;
  holdings.disagree();
  assert.equal(ask(), undefined, "in doubt nothing is asked for");
  // To agree comes before the next reserve; then the early one is answered.
  await holdings.reserve({ ...MOST, idle: false }, adopt);
  await bring(early);
  assert.deepEqual(stale, [false, true]);
});
