import { tiesIn } from "../../job/ties.ts";
import type { Taken } from "../broker.ts";
import { unlock } from "./unique.ts";
import { Groups } from "./groups.ts";
import { head, LOOKS, read, remove } from "./reserve.ts";
import { PAUSED_MS, roomOf } from "./room.ts";
import { readRule } from "./rules.ts";
import { CRASHED, READY, type Store, SUSPECT } from "./store.ts";

/** See `Broker.take`; in the open transaction. */
export function take(
  store: Store,
  name: string,
  limit: number,
  bytes: number,
): Taken {
  const queue = store.queue(name);
  const rule = readRule(store, queue);
  const { cancels, limits } = rule;
  if (rule.paused) return { messages: [], cancels, blockedMs: PAUSED_MS };
  // Nobody says when they end, so only a rate can be kept.
  const room = roomOf(
    store,
    queue,
    { ...rule, limits: { rate: limits.rate } },
    limit,
  );
  if (room.jobs <= 0) {
    return { messages: [], cancels, blockedMs: room.blockedMs };
  }
  limit = room.jobs;
  const messages: string[] = [];
  const groups = new Groups(store, queue, limits);
  const tied = rule.grouped > 0 || hasTies(store, queue);
  if (rule.grouped > 0) groups.look(LOOKS);
  for (const state of [READY, SUSPECT, CRASHED]) {
    const most = limit - messages.length;
    const found = head(store, queue, state, most, bytes, messages.length > 0);
    for (const message of read(store, queue, state, found)) {
      messages.push(message);
    }
    remove(store, queue, state, found);
    bytes -= found.bytes;
    if (tied) letGo(store, queue, groups, messages);
    if (state === READY && rule.grouped > 0 && bytes > 0) {
      const others = messages.length > 0;
      const left = limit - messages.length;
      const more = groups.take(left, bytes, { others, counts: false });
      for (const message of more) messages.push(message);
    }
    if (messages.length >= limit || bytes <= 0) break;
  }
  room.window?.count(messages.length);
  if (tied) letGo(store, queue, groups, messages);
  store.countLeft(queue, messages.length, 0);
  const againMs = rule.grouped > 0 ? groups.looksInMs() : undefined;
  return { messages, cancels, ...(againMs !== undefined && { againMs }) };
}

function hasTies({ db }: Store, queue: number): boolean {
  return db.value(
    `SELECT EXISTS (SELECT 1 FROM uniq WHERE queue = ?1)
       OR EXISTS (SELECT 1 FROM active WHERE queue = ?1)`,
    queue,
  ) === 1;
}

/** Nobody will say when one of these jobs ends: what it is tied to is let go. */
function letGo(
  store: Store,
  queue: number,
  groups: Groups,
  messages: readonly string[],
): void {
  for (const message of messages) {
    const ties = tiesIn(message);
    if (ties === undefined) continue;
    groups.ended(ties.id);
    if (ties.unique !== undefined) unlock(store, queue, ties.unique, ties.id);
  }
}
