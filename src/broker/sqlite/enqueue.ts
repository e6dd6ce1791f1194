import { BrokerError, EnqueueUncertainError } from "../../errors.ts";
import { type Entry, MAX_BATCH_BYTES, MAX_BATCH_JOBS } from "../broker.ts";
import { type DueJob, SCHEDULED, type Store } from "./store.ts";
import type { Transactions } from "./transaction.ts";

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
    const first = firstWithKey(store, entry, now);
    ids.push(first ?? entry.id);
    if (first !== undefined) continue;
    const { queue, message, delayMs = 0, atMs } = entry;
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

/** The id of the job that has this entry's key; if none, it has it now. */
function firstWithKey(
  store: Store,
  { id, queue: name, idempotencyKey }: Entry,
  now: number,
): string | undefined {
  if (idempotencyKey === undefined) return undefined;
  const queue = store.queue(name);
  const first = store.db.value(
    "SELECT job FROM once WHERE queue = ? AND key = ? AND until > ?",
    queue,
    idempotencyKey,
    now,
  ) as string | undefined;
  if (first !== undefined) return first;
  store.db.run(
    "INSERT OR REPLACE INTO once (queue, key, job, until) VALUES (?, ?, ?, ?)",
    queue,
    idempotencyKey,
    id,
    now + ONCE_MS,
  );
  return undefined;
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
