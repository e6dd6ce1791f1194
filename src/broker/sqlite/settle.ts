import type { OutcomeRecord, Settlement } from "../broker.ts";
import { HeldJobs } from "./held.ts";
import { storeOutcomes } from "./results.ts";
import { type DueJob, LONE, RETRY, type Store } from "./store.ts";

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
  const retries: DueJob[] = [];
  const lone: DueJob[] = [];
  let settled = 0;
  let failures = 0;
  for (const item of settlements) {
    if (!held.leave(item.token)) continue;
    settled++;
    if (item.kind === "retry") {
      const { message, delayMs, giveUp } = item;
      if (
        giveUp !== undefined &&
        store.wasPutBack(queue, message, giveUp.afterMs)
      ) {
        store.fail(queue, giveUp.entry);
        failures++;
        continue;
      }
      const atMs = now + Math.max(0, delayMs);
      (item.alone ? lone : retries).push({ atMs, message });
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
  store.postpone(queue, RETRY, retries);
  store.postpone(queue, LONE, lone);
  if (failures > 0) store.trimFailed(queue);
  storeOutcomes(store, queue, outcomes);
  return settled;
}
