import {
  type Batch,
  MAX_BATCH_JOBS,
  MismatchError,
  type ReserveRequest,
} from "../broker.ts";
import { encodeFailedEntry } from "../../job/outcome.ts";
import { textOf } from "./database.ts";
import {
  CRASHED,
  fenced,
  printToken,
  READY,
  type Store,
  SUSPECT,
} from "./store.ts";

/** Crashed jobs of one call. */
const MAX_CRASHED = 16;
/** So much of an oversized message is kept, in bytes. */
const HEAD_BYTES = 1024;

/**
 * The answer, if nothing has to be written for it: nothing is there to take,
 * and the lease is as young as it can be.
 */
export function reserveNothing(
  store: Store,
  worker: string,
  name: string,
  { known, idle }: ReserveRequest,
): Batch | undefined {
  const queue = store.find(name);
  if (queue === undefined) return undefined;
  if (store.place(queue, worker) !== store.tick(queue)) return undefined;
  if (store.held(queue, worker) !== known) return undefined;
  const suspects = waitingCount(store, queue, SUSPECT);
  if (
    waits(store, queue, READY) || waits(store, queue, CRASHED) ||
    idle && suspects > 0
  ) return undefined;
  return { kind: "ready", tokens: [], messages: [], suspects };
}

/** See `Broker.reserve`; in the open transaction. */
export function reserve(
  store: Store,
  worker: string,
  name: string,
  { limit, bytes, known, idle }: ReserveRequest,
): Batch {
  const queue = store.queue(name);
  const place = store.place(queue, worker);
  const held = store.held(queue, worker);
  if (place === undefined ? known !== 0 || held > 0 : place < 0) {
    throw fenced(worker);
  }
  if (known !== undefined && held !== known) {
    throw new MismatchError(
      `Worker ${worker} holds ${held} jobs of queue ${name}, not ${known}`,
    );
  }
  const tick = store.tick(queue);
  if (place !== tick) store.setPlace(queue, worker, tick);

  const most = Math.min(limit, MAX_BATCH_JOBS);
  const take = (state: number, mark: string, most: number) =>
    moveToHeld(store, { queue, worker, state, mark, most, bytes });
  let kind: Batch["kind"] = "crashed";
  let taken = take(CRASHED, "c", Math.min(most, MAX_CRASHED));
  if (taken.tokens.length === 0 && idle) {
    kind = "suspect";
    taken = take(SUSPECT, "s", 1);
  }
  if (taken.tokens.length === 0) {
    kind = "ready";
    taken = take(READY, "", most);
  }
  return { kind, ...taken, suspects: waitingCount(store, queue, SUSPECT) };
}

/** See `Broker.take`; in the open transaction. */
export function take(
  store: Store,
  name: string,
  limit: number,
  bytes: number,
): string[] {
  const queue = store.queue(name);
  const messages: string[] = [];
  for (const state of [READY, SUSPECT, CRASHED]) {
    const most = limit - messages.length;
    const found = head(store, queue, state, most, bytes, messages.length > 0);
    for (const message of read(store, queue, state, found)) {
      messages.push(message);
    }
    remove(store, queue, state, found);
    bytes -= found.bytes;
    if (messages.length >= limit || bytes <= 0) break;
  }
  return messages;
}

/** How many jobs wait in a state other than ready, of which there are few. */
export function waitingCount(
  store: Store,
  queue: number,
  state: number,
): number {
  return store.db.value(
    "SELECT count(*) FROM waiting WHERE queue = ? AND state = ?",
    queue,
    state,
  ) as number;
}

function waits(store: Store, queue: number, state: number): boolean {
  return store.db.value(
    "SELECT 1 FROM waiting WHERE queue = ? AND state = ? LIMIT 1",
    queue,
    state,
  ) !== undefined;
}

interface Wanted {
  readonly queue: number;
  readonly worker: string;
  readonly state: number;
  readonly mark: string;
  readonly most: number;
  readonly bytes: number;
}

function moveToHeld(
  store: Store,
  { queue, worker, state, mark, most, bytes }: Wanted,
): Pick<Batch, "tokens" | "messages"> {
  const found = head(store, queue, state, most, bytes);
  if (found.seqs.length === 0) return { tokens: [], messages: [] };
  const messages = read(store, queue, state, found);
  const batch = store.db.insert(
    "INSERT INTO batch (queue, worker, mark, held) VALUES (?, ?, ?, ?)",
    queue,
    worker,
    mark,
    messages.length,
  );
  store.db.run(
    `INSERT INTO held (batch, seq, message)
       SELECT ?, seq, message FROM waiting
       WHERE queue = ? AND state = ? AND seq <= ?`,
    batch,
    queue,
    state,
    found.seqs.at(-1)!,
  );
  remove(store, queue, state, found);
  return {
    tokens: found.seqs.map((seq) => printToken(batch, seq, mark)),
    messages,
  };
}

/** The first jobs that wait in a state. */
interface Head {
  readonly seqs: readonly number[];
  readonly bytes: number;
}

/**
 * Looks how many of the first jobs fit, before their text is read. What nobody
 * may receive goes to the failed set. One fits in any case, unless `others`
 * were found before.
 */
function head(
  store: Store,
  queue: number,
  state: number,
  most: number,
  bytes: number,
  others = false,
): Head {
  const seqs: number[] = [];
  let size = 0;
  let oversized = 0;
  const rows = store.db.rows(
    `SELECT seq, octet_length(message) FROM waiting
       WHERE queue = ? AND state = ? ORDER BY seq LIMIT ?`,
    queue,
    state,
    most,
  ) as [number, number][];
  for (const [seq, length] of rows) {
    if (length > store.limits.messageBytes) {
      failOversized(store, queue, state, seq, length);
      oversized++;
      continue;
    }
    if ((others || seqs.length > 0) && size + length > bytes) break;
    seqs.push(seq);
    size += length;
  }
  if (oversized > 0) {
    store.trimFailed(queue);
    // All that was looked at is gone: there may be others behind.
    if (seqs.length === 0) {
      return head(store, queue, state, most, bytes, others);
    }
  }
  return { seqs, bytes: size };
}

function read(
  store: Store,
  queue: number,
  state: number,
  { seqs }: Head,
): string[] {
  if (seqs.length === 0) return [];
  return store.db.rows(
    `SELECT message FROM waiting
       WHERE queue = ? AND state = ? AND seq <= ? ORDER BY seq`,
    queue,
    state,
    seqs.at(-1)!,
  ).map(([message]) => textOf(message));
}

function remove(
  store: Store,
  queue: number,
  state: number,
  { seqs }: Head,
): void {
  if (seqs.length === 0) return;
  store.db.run(
    "DELETE FROM waiting WHERE queue = ? AND state = ? AND seq <= ?",
    queue,
    state,
    seqs.at(-1)!,
  );
  if (state === READY) store.count(queue, { ready: -seqs.length });
}

function failOversized(
  store: Store,
  queue: number,
  state: number,
  seq: number,
  length: number,
): void {
  const where = "WHERE queue = ? AND state = ? AND seq = ?";
  const start = store.db.value(
    `SELECT substr(CAST(message AS BLOB), 1, ${HEAD_BYTES}) FROM waiting ${where}`,
    queue,
    state,
    seq,
  ) as Uint8Array;
  store.fail(
    queue,
    encodeFailedEntry({
      // A character may be cut in two.
      message: new TextDecoder().decode(start).replace(/\uFFFD+$/, ""),
      error: {
        name: "OversizedMessageError",
        message: `The message has ${length} bytes; ` +
          `at most ${store.limits.messageBytes} are read`,
      },
      attempts: 0,
      cut: true,
      uid: String(seq),
    }),
  );
  store.db.run(`DELETE FROM waiting ${where}`, queue, state, seq);
  if (state === READY) store.count(queue, { ready: -1 });
}
