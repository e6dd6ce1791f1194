import {
  type Batch,
  MAX_BATCH_JOBS,
  MismatchError,
  type ReserveRequest,
} from "../broker.ts";
import { encodeFailedEntry } from "../../job/outcome.ts";
import { textOf } from "./database.ts";
import { Groups } from "./groups.ts";
import { PAUSED_MS, roomOf } from "./room.ts";
import { readRule } from "./rules.ts";
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
/** Groups of one call whose rate may let jobs go by now. */
export const LOOKS = 100;
const NOTHING: Pick<Batch, "tokens" | "messages"> = {
  tokens: [],
  messages: [],
};
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
  const { paused, limited, cancels, grouped } = readRule(store, queue);
  if (paused) return blocked(PAUSED_MS, cancels);
  const suspects = waitingCount(store, queue, SUSPECT);
  if (
    limited || grouped > 0 || waits(store, queue, READY) ||
    waits(store, queue, CRASHED) ||
    idle && suspects > 0
  ) return undefined;
  return { kind: "ready", tokens: [], messages: [], suspects, cancels };
}

function blocked(blockedMs: number, cancels: number): Batch {
  const none = { tokens: [], messages: [], suspects: 0 };
  return { kind: "ready", ...none, cancels, blockedMs };
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

  const rule = readRule(store, queue);
  const { cancels } = rule;
  if (rule.paused) return blocked(PAUSED_MS, cancels);
  const most = Math.min(limit, MAX_BATCH_JOBS);
  const take = (state: number, mark: string, most: number) =>
    moveToHeld(store, { queue, worker, state, mark, most, bytes });
  const suspects = () => waitingCount(store, queue, SUSPECT);
  const crashed = take(CRASHED, "c", Math.min(most, MAX_CRASHED));
  if (crashed.tokens.length > 0) {
    return { kind: "crashed", ...crashed, suspects: suspects(), cancels };
  }
  const room = roomOf(store, queue, rule, most);
  if (room.jobs <= 0) {
    const waiting = suspects() + rule.grouped +
      (waits(store, queue, READY) ? 1 : 0);
    return waiting > 0
      ? blocked(room.blockedMs, cancels)
      : { kind: "ready", tokens: [], messages: [], suspects: 0, cancels };
  }
  const groups = rule.grouped > 0
    ? new Groups(store, queue, rule.limits)
    : undefined;
  groups?.look(LOOKS);
  let kind: Batch["kind"] = "suspect";
  let taken = idle ? take(SUSPECT, "s", 1) : NOTHING;
  if (taken.tokens.length === 0) {
    kind = "ready";
    if (groups !== undefined) {
      const left = room.jobs - readyCount(store, queue, room.jobs);
      // They wait for no turn any more, and are taken as all others are.
      const others = left < room.jobs;
      if (left > 0) {
        store.push(queue, groups.take(left, bytes, { others, counts: true }));
      }
    }
    taken = take(READY, "", room.jobs);
  }
  room.window?.count(taken.tokens.length);
  const againMs = groups?.looksInMs();
  return {
    kind,
    ...taken,
    suspects: suspects(),
    cancels,
    ...(againMs !== undefined && { againMs }),
  };
}

/** How many jobs are ready, counted up to `most`. */
function readyCount(store: Store, queue: number, most: number): number {
  return store.db.value(
    `SELECT count(*) FROM (SELECT 1 FROM waiting
       WHERE queue = ? AND state = ? LIMIT ?)`,
    queue,
    READY,
    most,
  ) as number;
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
  const batch = store.numbers(queue, 1);
  store.db.run(
    "INSERT INTO held_batch (queue, worker, id, mark, held) VALUES (?, ?, ?, ?, ?)",
    queue,
    worker,
    batch,
    mark,
    messages.length,
  );
  store.db.run(
    `INSERT INTO held_job (queue, batch, seq, message)
       SELECT queue, ?, seq, message FROM waiting
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
export interface Head {
  readonly seqs: readonly number[];
  readonly bytes: number;
}

/**
 * Looks how many of the first jobs fit, before their text is read. What nobody
 * may receive goes to the failed set. One fits in any case, unless `others`
 * were found before.
 */
export function head(
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

/** The messages of these jobs. */
export function read(
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

/** Removes these jobs. */
export function remove(
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
