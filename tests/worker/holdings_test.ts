import assert from "node:assert/strict";
import type { Batch, Broker } from "../../src/broker/broker.ts";
import { Flight } from "../../src/worker/flight.ts";
import { LeasedHoldings } from "../../src/worker/holdings.ts";

const MOST = { limit: 1, bytes: 1000, idle: true };
const NEVER = new AbortController().signal;
const adopt = (batch: Batch) => new Flight(1, "q", batch, 0);

/** A broker that answers when it is told to, and notes what it was asked. */
function slowBroker(): { broker: Broker; asked: string[]; answer(): void } {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const answers: Record<string, unknown> = {
    reserve: {
      ...{ kind: "suspect", tokens: ["1:0:s"], messages: ["{}"] },
      ...{ suspects: 0, cancels: 0 },
    },
    begin: "1:0:r",
    reconcile: [],
  };
  const broker = new Proxy({}, {
    get: (_, verb: string) => () => {
      asked.push(verb);
      const { promise, resolve } = Promise.withResolvers();
      waiting.push(() => resolve(answers[verb]));
      return promise;
    },
  }) as Broker;
  const answer = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { broker, asked, answer };
}

Deno.test("nothing is reconciled beside a reserve or a begin, but before the next reserve", async () => {
  const { broker, asked, answer } = slowBroker();
  const holdings = new LeasedHoldings(broker, "w", "q", NEVER);
  const reserved = holdings.reserve(MOST, adopt);
  await holdings.disagree();
  answer();
  const { flight } = await reserved;
  const begun = holdings.begin(flight!);
  assert.equal(holdings.unanswered, true);
  await holdings.disagree();
  answer();
  await begun;
  assert.deepEqual(asked, ["reserve", "begin"]);

  const next = holdings.reserve(MOST, adopt);
  assert.deepEqual(asked.at(-1), "reconcile");
  answer();
  await Promise.resolve();
  while (asked.at(-1) !== "reserve") await Promise.resolve();
  answer();
  await next;
});

Deno.test("the heartbeat and a reserve that disagree ask once", async () => {
  const { broker, asked, answer } = slowBroker();
  const holdings = new LeasedHoldings(broker, "w", "q", NEVER);
  const agreed = holdings.disagree();
  const reserved = holdings.reserve(MOST, adopt);
  answer();
  await agreed;
  while (asked.at(-1) !== "reserve") await Promise.resolve();
  answer();
  await reserved;
  assert.deepEqual(asked, ["reconcile", "reserve"]);
});
