import type { OutcomeRecord, Settlement } from "../broker.ts";
import { HeldJobs } from "./held.ts";
import { storeOutcomes } from "./results.ts";
import { LONE, RETRY, type Store } from "./store.ts";

/** See `Broker.settle`; in the open transaction. */
export function settle(
  store: Store,
  worker: string,
  name: string,
  settlements: readonly Settlement[],
): number {
  const queue = store.queue(name);
  store.requirePlace(queue, worker);
  const now = store.now();
  const held = new HeldJobs(
    store,
    queue,
    worker,
    settlements.map(({ token }) => token),
  );
  const outcomes: OutcomeRecord[] = [];
  let settled = 0;
  let failures = 0;
  for (const item of settlements) {
    if (!held.leave(item.token)) continue;
    settled++;
    if (item.kind === "retry") {
      const atMs = now + Math.max(0, item.delayMs);
      store.postpone(queue, item.alone ? LONE : RETRY, atMs, item.message);
      continue;
    }
    if (item.kind === "failed") {
      store.fail(queue, item.entry);
      failures++;
    }
    const { id, outcome } = item;
    if (id !== undefined && outcome !== undefined) {
      outcomes.push({ id, outcome });
    }
  }
  held.remove();
  if (failures > 0) store.trimFailed(queue);
  storeOutcomes(store, queue, outcomes);
  return settled;
}
