import { BrokerError, EnqueueUncertainError } from "../../errors.ts";
import { encodeOutcome } from "../../job/outcome.ts";
import { type Entry, MAX_BATCH_BYTES, MAX_BATCH_JOBS } from "../broker.ts";
import { cancel } from "./cancelling.ts";
import { Groups, printGrouped } from "./groups.ts";
import { readRule } from "./rules.ts";
import { storeBlocked } from "./successors.ts";
import { type DueJob, SCHEDULED, type Store } from "./store.ts";
import type { Transactions } from "./transaction.ts";
import { giveUniqueKey, uniqueJob } from "./unique.ts";

/** How long an idempotency key is kept. */
const ONCE_MS = 86_400_000;

/** See `JobStore.enqueue`. */
export async function enqueue(
  store: Store,
  transactions: Transactions,
  entries: readonly Entry[],
): Promise<string[]> {
  const parts = cut(entries);
  const answers = await Promise.allSettled(
    parts.map((part) =>
      transactions.write("store jobs", () => storeEntries(store, part))
    ),
  );
  const stored: string[] = [];
  let failure: Error | undefined;
  for (const answer of answers) {
    if (answer.status === "rejected") failure ??= answer.reason;
    else for (const id of answer.value) stored.push(id);
  }
  if (failure === undefined) return stored;
  const text = `${stored.length} of ${entries.length} jobs are stored: ` +
    failure.message;
  if (stored.length === 0) throw new BrokerError(text, { cause: failure });
  throw new EnqueueUncertainError(text, { confirmed: stored, uncertain: [] }, {
    cause: failure,
  });
}

/** Stores entries in the open transaction; answers with their ids. */
function storeEntries(store: Store, entries: readonly Entry[]): string[] {
  const now = store.now();
  const queues = new Map<string, { ready: string[]; later: DueJob[] }>();
  const ids: string[] = [];
  for (const entry of entries) {
    const first = firstWithKey(store, entry, now) ??
      firstWithUnique(store, entry, now);
    ids.push(first ?? entry.id);
    if (first !== undefined) continue;
    if (entry.after !== undefined) {
      storeBlocked(store, entry);
      continue;
    }
    if (entry.idempotencyKey !== undefined) noteKey(store, entry, now);
    const { id, queue, delayMs = 0, atMs, group } = entry;
    let { message } = entry;
    if (group !== undefined) {
      const job = { group, id, message };
      if (atMs === undefined && delayMs <= 0) {
        const number = store.queue(queue);
        new Groups(store, number, readRule(store, number).limits).add(job);
        continue;
      }
      message = printGrouped(job);
    }
    let jobs = queues.get(queue);
    if (jobs === undefined) queues.set(queue, jobs = { ready: [], later: [] });
    if (atMs === undefined && delayMs <= 0) jobs.ready.push(message);
    else jobs.later.push({ atMs: atMs ?? now + delayMs, message });
  }
  for (const [name, { ready, later }] of queues) {
    const queue = store.queue(name);
    store.push(queue, ready);
    store.postpone(queue, SCHEDULED, later);
  }
  return ids;
}

/** The id of the job that has this entry's idempotency key, if any. */
function firstWithKey(
  store: Store,
  { queue, idempotencyKey }: Entry,
  now: number,
): string | undefined {
  if (idempotencyKey === undefined) return undefined;
  return store.keyHolder(store.queue(queue), idempotencyKey, now);
}

function noteKey(
  store: Store,
  { id, queue, idempotencyKey }: Entry,
  now: number,
): void {
  store.noteKey(store.queue(queue), idempotencyKey!, id, now + ONCE_MS);
}

/**
 * The id of the job that has this entry's unique key and is not replaced; if
 * none, the entry has it from now on.
 */
function firstWithUnique(
  store: Store,
  entry: Entry,
  now: number,
): string | undefined {
  const { id, queue: name, unique } = entry;
  if (unique === undefined) return undefined;
  const { key, seconds, replace } = unique;
  const queue = store.queue(name);
  // No idempotency key has a colon.
  const timed = `unique:${key}`;
  const other = seconds === undefined
    ? uniqueJob(store, queue, key)
    : store.keyHolder(queue, timed, now);
  if (other !== undefined && !replace) return other;
  if (other !== undefined) {
    const { delayMs = 0, atMs = now + delayMs } = entry;
    const outcome = encodeOutcome({ kind: "cancelled" });
    cancel(store, name, [{ id: other, dueMs: atMs, outcome }]);
  }
  if (seconds !== undefined) {
    store.noteKey(queue, timed, id, now + seconds * 1000);
  } else giveUniqueKey(store, queue, key, id);
}

/** Parts of at most so many jobs and so much text, each a step. */
function cut(entries: readonly Entry[]): (readonly Entry[])[] {
  const parts: (readonly Entry[])[] = [];
  let from = 0;
  let size = 0;
  entries.forEach(({ message }, index) => {
    const full = index - from >= MAX_BATCH_JOBS ||
      size + message.length > MAX_BATCH_BYTES;
    if (full && index > from) {
      parts.push(entries.slice(from, index));
      from = index;
      size = 0;
    }
    size += message.length;
  });
  if (from < entries.length) parts.push(entries.slice(from));
  return parts;
}
