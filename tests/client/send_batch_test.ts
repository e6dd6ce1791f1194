import assert from "node:assert/strict";
import {
  type Entry,
  MAX_BATCH_BYTES,
  MAX_BATCH_JOBS,
} from "../../src/broker/broker.ts";
import { BatchSender } from "../../src/client/send_batch.ts";
import { BrokerError, EnqueueUncertainError } from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";

/** Where the sender's batches end: the test answers them when it likes. */
class Answers {
  readonly batches: (PromiseWithResolvers<string[]> & { ids: string[] })[] = [];

  readonly enqueue = (entries: readonly Entry[]): Promise<string[]> => {
    const ids = entries.map(({ id }) => id);
    const batch = { ...Promise.withResolvers<string[]>(), ids };
    this.batches.push(batch);
    return batch.promise;
  };

  /** Waits for batch number `index` and answers it with its own ids. */
  async store(index: number): Promise<void> {
    const batch = await this.batch(index);
    batch.resolve(batch.ids);
  }

  async batch(index: number): Promise<this["batches"][number]> {
    await eventually(() => this.batches.length > index);
    return this.batches[index];
  }
}

function entries(from: number, to: number, message = "m"): Entry[] {
  return Array.from(
    { length: to - from },
    (_, i) => ({ id: `p.${from + i}`, queue: "q", message }),
  );
}

function ids(from: number, to: number): string[] {
  return entries(from, to).map(({ id }) => id);
}

Deno.test("calls of one turn are one batch, in their order", async () => {
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue);
  const first = sender.send(entries(0, 2));
  const second = sender.send(entries(2, 3));
  // A call that an earlier promise of the same turn leads to.
  const third = Promise.resolve().then(() => sender.send(entries(3, 4)));
  await answers.store(0);
  assert.deepEqual(await first, ids(0, 2));
  assert.deepEqual(await second, ids(2, 3));
  assert.deepEqual(await third, ids(3, 4));
  assert.deepEqual(answers.batches[0].ids, ids(0, 4));
  assert.equal(answers.batches.length, 1);
});

Deno.test("a batch has at most 1,000 jobs", async () => {
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue);
  const call = sender.send(entries(0, 2 * MAX_BATCH_JOBS + 1));
  for (const index of [0, 1, 2]) await answers.store(index);
  assert.deepEqual(await call, ids(0, 2 * MAX_BATCH_JOBS + 1));
  assert.deepEqual(
    answers.batches.map((batch) => batch.ids.length),
    [MAX_BATCH_JOBS, MAX_BATCH_JOBS, 1],
  );
});

Deno.test("a batch has at most 1 MiB, but always one job", async () => {
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue);
  const half = "m".repeat(MAX_BATCH_BYTES / 2);
  const calls = [
    sender.send(entries(0, 3, half)),
    sender.send(entries(3, 4, half + half + half)),
  ];
  for (const index of [0, 1, 2]) await answers.store(index);
  await Promise.all(calls);
  assert.deepEqual(
    answers.batches.map((batch) => batch.ids),
    [ids(0, 2), ids(2, 3), ids(3, 4)],
  );
});

Deno.test("calls beyond 8 unanswered batches wait for an answer", async () => {
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue);
  const call = sender.send(entries(0, 9 * MAX_BATCH_JOBS));
  const waiting = sender.send(entries(9 * MAX_BATCH_JOBS, 9001));
  await answers.batch(7);
  const later = sender.send(entries(9001, 9002));
  assert.equal(answers.batches.length, 8);
  await answers.store(3);
  await answers.batch(8);
  assert.equal(answers.batches.length, 9);
  for (const index of [0, 1, 2, 4, 5, 6, 7, 8, 9]) await answers.store(index);
  assert.deepEqual(await call, ids(0, 9 * MAX_BATCH_JOBS));
  assert.deepEqual(await waiting, ids(9000, 9001));
  assert.deepEqual(await later, ids(9001, 9002));
  assert.deepEqual(answers.batches[9].ids, ids(9000, 9002));
});

Deno.test("of a batch that is uncertain, each call learns of its own jobs", async () => {
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue);
  const calls = [
    sender.send(entries(0, 1)),
    sender.send(entries(1, 3)),
    sender.send(entries(3, 4)),
  ];
  const settled = Promise.allSettled(calls);
  (await answers.batch(0)).reject(
    new EnqueueUncertainError(
      "lost",
      { confirmed: ids(0, 2), uncertain: ids(2, 3) },
      { cause: new Error("no answer to RPUSH") },
    ),
  );
  const [stored, mixed, refused] = await settled;
  assert.deepEqual(stored, { status: "fulfilled", value: ids(0, 1) });
  assert.ok(mixed.status === "rejected" && refused.status === "rejected");
  assert.ok(mixed.reason instanceof EnqueueUncertainError);
  assert.deepEqual(mixed.reason.confirmed, ids(1, 2));
  assert.deepEqual(mixed.reason.uncertain, ids(2, 3));
  assert.match(mixed.reason.message, /no answer to RPUSH/);
  assert.ok(refused.reason instanceof BrokerError);
});

Deno.test("a call that was stored in part says which part", async () => {
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue);
  const call = sender.send(entries(0, 10 * MAX_BATCH_JOBS));
  const settled = Promise.allSettled([call]);
  (await answers.batch(1)).reject(new BrokerError("full"));
  for (const index of [0, 2, 3, 4, 5, 6, 7]) await answers.store(index);
  const [{ reason }] = await settled as PromiseRejectedResult[];
  assert.ok(reason instanceof EnqueueUncertainError);
  assert.deepEqual(reason.confirmed, [...ids(0, 1000), ...ids(2000, 8000)]);
  assert.deepEqual(reason.uncertain, []);
  // The rest of it was not sent any more.
  await sender.idle();
  assert.equal(answers.batches.length, 8);
});

Deno.test("a job with a key may be stored under another id", async () => {
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue);
  const [entry] = entries(0, 1);
  const keyed = sender.send([{ ...entry, idempotencyKey: "k" }]);
  const other = sender.send(entries(1, 2));
  const settled = Promise.allSettled([keyed, other]);
  (await answers.batch(0)).reject(
    new EnqueueUncertainError("lost", {
      confirmed: ["first.7"],
      uncertain: ids(1, 2),
    }),
  );
  for (const { reason } of await settled as PromiseRejectedResult[]) {
    assert.ok(reason instanceof EnqueueUncertainError);
    assert.equal(reason.uncertain.length, 1);
  }
});

Deno.test("an error of another copy of the library becomes our own", async () => {
  class EnqueueUncertainError_ extends Error {
    override name = "EnqueueUncertainError";
    confirmed = [];
    uncertain = ids(0, 1);
  }
  class BrokerError_ extends Error {
    override name = "BrokerError";
  }
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue);
  const uncertain = sender.send(entries(0, 1));
  (await answers.batch(0)).reject(new EnqueueUncertainError_("lost"));
  await assert.rejects(
    uncertain,
    (error) =>
      error instanceof EnqueueUncertainError && error.uncertain.length === 1,
  );
  const refused = sender.send(entries(0, 1));
  (await answers.batch(1)).reject(new BrokerError_("full"));
  await assert.rejects(
    refused,
    (error) => error instanceof BrokerError && error.message === "full",
  );
});

Deno.test("a call that waited too long fails unsent with the batch before it", async () => {
  const answers = new Answers();
  const sender = new BatchSender(answers.enqueue, { maxWaitMs: 0 });
  const sent = sender.send(entries(0, 8 * MAX_BATCH_JOBS));
  const waiting = sender.send(entries(8000, 8001));
  const settled = Promise.allSettled([sent, waiting]);
  const first = await answers.batch(7);
  const lost = new EnqueueUncertainError("no answer", {
    confirmed: [],
    uncertain: first.ids,
  });
  answers.batches[0].reject(lost);
  await assert.rejects(
    waiting,
    (error) =>
      error instanceof BrokerError && /not? .*sent/i.test(error.message),
  );
  for (const { reject } of answers.batches) reject(lost);
  await settled;
  await sender.idle();
  assert.equal(answers.batches.length, 8);
});
