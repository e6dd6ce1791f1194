import { BrokerError, EnqueueUncertainError } from "../../errors.ts";
import { type Entry, MAX_BATCH_BYTES, MAX_BATCH_JOBS } from "../broker.ts";
import { SCHEDULED, type Store } from "./store.ts";
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
  const ready = new Map<string, string[]>();
  const ids: string[] = [];
  for (const entry of entries) {
    const first = entry.idempotencyKey === undefined
      ? entry.id
      : once(store, entry, entry.idempotencyKey, now);
    ids.push(first);
    if (first !== entry.id) continue;
    const { queue, message, delayMs = 0, atMs } = entry;
    if (atMs !== undefined || delayMs > 0) {
      const at = atMs ?? now + delayMs;
      store.postpone(store.queue(queue), SCHEDULED, at, message);
      continue;
    }
    const messages = ready.get(queue);
    if (messages === undefined) ready.set(queue, [message]);
    else messages.push(message);
  }
  for (const [queue, messages] of ready) {
    store.push(store.queue(queue), messages);
  }
  return ids;
}

/** The id of the job that has this key: the entry's own if nobody had it. */
function once(store: Store, entry: Entry, key: string, now: number): string {
  const queue = store.queue(entry.queue);
  const known = store.db.value(
    "SELECT job FROM once WHERE queue = ? AND key = ? AND until > ?",
    queue,
    key,
    now,
  );
  if (known !== undefined) return known as string;
  store.db.run(
    "INSERT OR REPLACE INTO once (queue, key, job, until) VALUES (?, ?, ?, ?)",
    queue,
    key,
    entry.id,
    now + ONCE_MS,
  );
  return entry.id;
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
