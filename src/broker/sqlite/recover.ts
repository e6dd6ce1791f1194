/**
 * How held jobs get back to where they wait: handed back by their worker, or
 * taken from a dead one. All of it in the open transaction.
 *
 * @module
 */
import { FencedError, LEASE_TICKS } from "../broker.ts";
import { HeldJobs } from "./held.ts";
import {
  CRASHED,
  parseToken,
  printToken,
  READY,
  type Store,
  SUSPECT,
} from "./store.ts";

/** See `Broker.begin`. */
export function begin(
  store: Store,
  worker: string,
  name: string,
  token: string,
): string {
  const queue = store.queue(name);
  store.requirePlace(queue, worker);
  const parts = parseToken(token);
  const mark = parts && store.db.value(
    `SELECT mark FROM held_batch JOIN held_job USING (queue)
       WHERE queue = ? AND worker = ? AND id = ? AND batch = id AND seq = ?`,
    queue,
    worker,
    parts.batch,
    parts.seq,
  );
  if (parts === undefined || mark !== "s" && mark !== "r") {
    throw new FencedError(`Worker ${worker} does not hold ${token} any more`);
  }
  store.db.run(
    "UPDATE held_batch SET mark = 'r' WHERE queue = ? AND worker = ? AND id = ?",
    queue,
    worker,
    parts.batch,
  );
  return printToken(parts.batch, parts.seq, "r");
}

/** See `Broker.release`. Jobs keep their numbers, and so their order. */
export function release(
  store: Store,
  worker: string,
  name: string,
  tokens: readonly string[],
): void {
  const queue = store.queue(name);
  store.requirePlace(queue, worker);
  const held = new HeldJobs(store, queue, worker, tokens);
  for (const token of tokens) held.leave(token);
  for (const { batch, mark, seqs, count } of held.parts()) {
    const state = mark === "" ? READY : mark === "c" ? CRASHED : SUSPECT;
    store.db.run(
      `INSERT INTO waiting (queue, state, seq, message)
         SELECT queue, ?, seq, message FROM held_job
           WHERE queue = ? AND batch = ?
             AND seq IN (SELECT value FROM json_each(?))`,
      state,
      queue,
      batch,
      seqs,
    );
    if (state === READY) store.count(queue, { ready: count });
    store.announce();
  }
  held.remove();
}

/** See `Broker.reconcile`. */
export function reconcile(
  store: Store,
  worker: string,
  name: string,
  tokens: readonly string[],
): string[] {
  const queue = store.queue(name);
  const held = store.db.rows(
    `SELECT id, seq, mark FROM held_batch JOIN held_job USING (queue)
       WHERE queue = ? AND worker = ? AND batch = id ORDER BY id, seq`,
    queue,
    worker,
  ).map(([batch, seq, mark]) =>
    printToken(batch as number, seq as number, mark as string)
  );
  // A worker that holds nothing, by both accounts, needs no place yet.
  const place = store.place(queue, worker);
  if (place !== undefined || held.length > 0 || tokens.length > 0) {
    store.requirePlace(queue, worker);
  }
  const known = new Set(tokens);
  const unknown = held.filter((token) => !known.has(token));
  if (unknown.length > 0) release(store, worker, name, unknown);
  const still = new Set(held);
  return tokens.filter((token) => !still.has(token));
}

/** See `Broker.recover`. */
export function recover(
  store: Store,
  worker: string,
  name: string,
  reason: "replaced" | "lapsed",
): number {
  const queue = store.queue(name);
  const tick = store.tick(queue);
  if (reason === "lapsed") {
    const place = store.place(queue, worker);
    if (place === undefined || place < 0 || tick - place < LEASE_TICKS) {
      return 0;
    }
    if (store.held(queue, worker) === 0) {
      store.db.run(
        "DELETE FROM worker WHERE queue = ? AND name = ?",
        queue,
        worker,
      );
      return 0;
    }
  }
  const batches = store.db.rows(
    `SELECT id, mark, held FROM held_batch WHERE queue = ? AND worker = ?
       ORDER BY id`,
    queue,
    worker,
  ) as [number, string, number][];
  let jobs = 0;
  for (const [batch, mark, held] of batches) {
    putBack(store, queue, batch, mark, held);
    store.forgetBatch(queue, worker, batch);
    jobs += held;
  }
  // Below zero: dead since this tick. Its late commands are refused.
  store.setPlace(queue, worker, -(tick + 1));
  if (jobs > 0) store.announce();
  return jobs;
}

/** A suspect that never began keeps its place, others go to the end. */
function putBack(
  store: Store,
  queue: number,
  batch: number,
  mark: string,
  held: number,
): void {
  if (mark === "s") {
    store.db.run(
      `INSERT INTO waiting (queue, state, seq, message)
         SELECT queue, ?, seq, message FROM held_job
           WHERE queue = ? AND batch = ?`,
      SUSPECT,
      queue,
      batch,
    );
  } else {
    store.db.run(
      `INSERT INTO waiting (queue, state, seq, message)
         SELECT queue, ?, ? + row_number() OVER (ORDER BY seq) - 1, message
           FROM held_job WHERE queue = ? AND batch = ?`,
      mark === "" ? SUSPECT : CRASHED,
      store.numbers(queue, held),
      queue,
      batch,
    );
  }
}
