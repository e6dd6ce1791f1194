/**
 * Stored outcomes: writing and reading them, removing old ones.
 *
 * @module
 */
import type { OutcomeRecord } from "../broker.ts";
import { stored, textOf } from "./database.ts";
import type { Store } from "./store.ts";

/** Jobs of one producer whose outcomes are forgotten together. */
const BUCKET_JOBS = 128;
/** Buckets that are removed in one step because of their age. */
const EXPIRE_BUCKETS = 100;

/** A job id in its parts. */
interface IdParts {
  readonly producer: string;
  readonly n: number;
}

/** Stores outcomes in the open transaction, within the limits of a queue. */
export function storeOutcomes(
  store: Store,
  queue: number,
  outcomes: readonly OutcomeRecord[],
): void {
  if (outcomes.length === 0) return;
  const producers = new Map<string, OutcomeRecord[]>();
  const buckets = new Map<string, { results: number; bytes: number }>();
  let bytes = 0;
  for (const record of outcomes) {
    const { producer, n } = splitId(record.id);
    const records = producers.get(producer);
    if (records === undefined) producers.set(producer, [record]);
    else records.push(record);
    const name = bucketName(producer, n);
    const bucket = buckets.get(name) ?? { results: 0, bytes: 0 };
    bucket.results++;
    bucket.bytes += record.outcome.length;
    buckets.set(name, bucket);
    bytes += record.outcome.length;
  }
  for (const [producer, records] of producers) {
    writeOutcomes(store, queue, producer, records);
  }
  const [change, allResults, allBytes] = store.db.row(
    `UPDATE queue SET change = change + 1, results = results + ?,
       result_bytes = result_bytes + ? WHERE id = ?
       RETURNING change, results, result_bytes`,
    outcomes.length,
    bytes,
    queue,
  ) as number[];
  for (const [name, bucket] of buckets) {
    const { producer, n: block } = splitId(name);
    store.db.run(
      `INSERT INTO bucket (queue, producer, block, at, change, results, bytes)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET at = excluded.at, change = excluded.change,
           results = results + excluded.results, bytes = bytes + excluded.bytes`,
      queue,
      producer,
      block,
      store.now(),
      change,
      bucket.results,
      bucket.bytes,
    );
  }
  shrink(store, queue, allResults, allBytes);
  store.announce();
}

/** See `JobStore.results`. */
export function readOutcomes(
  store: Store,
  name: string,
  ids: readonly string[],
): (string | null)[] {
  const queue = store.find(name);
  const found: (string | null)[] = new Array(ids.length).fill(null);
  if (queue === undefined) return found;
  const producers = new Map<string, Map<number, number[]>>();
  ids.forEach((id, place) => {
    const { producer, n } = splitId(id);
    let numbers = producers.get(producer);
    if (numbers === undefined) producers.set(producer, numbers = new Map());
    const places = numbers.get(n);
    if (places === undefined) numbers.set(n, [place]);
    else places.push(place);
  });
  for (const [producer, numbers] of producers) {
    const rows = store.db.rows(
      `SELECT n, outcome FROM result WHERE queue = ? AND producer = ?
         AND n IN (SELECT value FROM json_each(?))`,
      queue,
      producer,
      JSON.stringify([...numbers.keys()]),
    );
    for (const [n, outcome] of rows) {
      for (const place of numbers.get(n as number)!) {
        found[place] = textOf(outcome);
      }
    }
  }
  return found;
}

/** Forgets the outcome of one job. */
export function forgetOutcome(store: Store, queue: number, id: string): void {
  const { producer, n } = splitId(id);
  // Its bucket counts it on: what a bucket counts is taken off with it.
  store.db.run(
    "DELETE FROM result WHERE queue = ? AND producer = ? AND n = ?",
    queue,
    producer,
    n,
  );
}

/** Removes outcomes that are too old; some at a time. */
export function expireOutcomes(store: Store, queue: number): void {
  const latest = store.now() - store.limits.resultAgeMs;
  for (const bucket of oldest(store, queue, EXPIRE_BUCKETS)) {
    if (bucket.at > latest) return;
    drop(store, queue, bucket);
  }
}

/** Numbers of jobs whose outcomes were stored, by producer. */
export interface Changes {
  /** Of the last change; ask with it the next time. */
  readonly change: number;
  /** `undefined`: too many to name. */
  readonly numbers: ReadonlyMap<string, readonly number[]> | undefined;
}

/** With more buckets, listing what changed costs more than it saves. */
const NAMED_BUCKETS = 1000;

/**
 * What was stored after the change `since`, for some producers. Names also
 * neighbours of these jobs that ended before.
 */
export function changesSince(
  store: Store,
  name: string,
  since: number,
  producers: ReadonlySet<string>,
): Changes {
  const [queue, change] = store.db.row(
    "SELECT id, change FROM queue WHERE name = ?",
    name,
  ) as [number, number] | undefined ?? [0, 0];
  const numbers = new Map<string, number[]>();
  if (change <= since) return { change, numbers };
  const rows = store.db.rows(
    `SELECT producer, block FROM bucket WHERE queue = ? AND change > ?
       ORDER BY change LIMIT ?`,
    queue,
    since,
    NAMED_BUCKETS,
  ) as [string, number][];
  if (rows.length === NAMED_BUCKETS) return { change, numbers: undefined };
  for (const [producer, block] of rows) {
    if (!producers.has(producer)) continue;
    const list = numbers.get(producer) ?? [];
    numbers.set(producer, list);
    const found = store.db.rows(
      `SELECT n FROM result WHERE queue = ? AND producer = ?
         AND n BETWEEN ? AND ?`,
      queue,
      producer,
      block * BUCKET_JOBS,
      (block + 1) * BUCKET_JOBS - 1,
    );
    for (const [n] of found) list.push(n as number);
  }
  return { change, numbers };
}

function writeOutcomes(
  store: Store,
  queue: number,
  producer: string,
  records: readonly OutcomeRecord[],
): void {
  const pairs: Record<number, string> = {};
  for (const { id, outcome } of records) pairs[splitId(id).n] = outcome;
  const json = JSON.stringify(pairs);
  if (!json.includes("\\u0000")) {
    store.db.run(
      `INSERT OR REPLACE INTO result (queue, producer, n, outcome)
         SELECT ?, ?, CAST(key AS INTEGER), value FROM json_each(?)`,
      queue,
      producer,
      json,
    );
    return;
  }
  for (const { id, outcome } of records) {
    store.db.run(
      `INSERT OR REPLACE INTO result (queue, producer, n, outcome)
         VALUES (?, ?, ?, ?)`,
      queue,
      producer,
      splitId(id).n,
      stored(outcome),
    );
  }
}

interface Bucket {
  readonly producer: string;
  readonly block: number;
  readonly at: number;
  readonly results: number;
  readonly bytes: number;
}

function oldest(store: Store, queue: number, count: number): Bucket[] {
  return store.db.rows(
    `SELECT producer, block, at, results, bytes FROM bucket
       WHERE queue = ? ORDER BY change LIMIT ?`,
    queue,
    count,
  ).map(([producer, block, at, results, bytes]) => ({
    producer,
    block,
    at,
    results,
    bytes,
  } as Bucket));
}

/** Removes the oldest buckets until the rest is within the limits. */
function shrink(
  store: Store,
  queue: number,
  results: number,
  bytes: number,
): void {
  const { limits } = store;
  while (results > limits.results || bytes > limits.resultBytes) {
    const [bucket] = oldest(store, queue, 1);
    if (bucket === undefined) return;
    drop(store, queue, bucket);
    results -= bucket.results;
    bytes -= bucket.bytes;
  }
}

function drop(store: Store, queue: number, bucket: Bucket): void {
  const { producer, block, results, bytes } = bucket;
  store.db.run(
    `DELETE FROM result WHERE queue = ? AND producer = ?
       AND n BETWEEN ? AND ?`,
    queue,
    producer,
    block * BUCKET_JOBS,
    (block + 1) * BUCKET_JOBS - 1,
  );
  store.db.run(
    "DELETE FROM bucket WHERE queue = ? AND producer = ? AND block = ?",
    queue,
    producer,
    block,
  );
  store.db.run(
    `UPDATE queue SET results = results - ?, result_bytes = result_bytes - ?
       WHERE id = ?`,
    results,
    bytes,
    queue,
  );
}

function bucketName(producer: string, n: number): string {
  return `${producer}.${Math.floor(n / BUCKET_JOBS)}`;
}

function splitId(id: string): IdParts {
  const dot = id.lastIndexOf(".");
  return { producer: id.slice(0, dot), n: Number(id.slice(dot + 1)) };
}
