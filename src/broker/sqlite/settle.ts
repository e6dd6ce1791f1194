import type { OutcomeRecord, Settlement } from "../broker.ts";
import type { Ties } from "../../job/ties.ts";
import { forgetCancelled } from "./cancelling.ts";
import { unlock } from "./unique.ts";
import { Groups, printGrouped } from "./groups.ts";
import { HeldJobs } from "./held.ts";
import { storeOutcomes } from "./results.ts";
import { haveEnded } from "./successors.ts";
import { readRule } from "./rules.ts";
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
  const ended: Ties[] = [];
  const again: Ties[] = [];
  let settled = 0;
  let failures = 0;
  for (const item of settlements) {
    if (!held.leave(item.token)) continue;
    settled++;
    const { ties } = item;
    if (item.kind === "retry") {
      const { delayMs, giveUp, alone } = item;
      // One that comes back as a suspect keeps its place in its group.
      const group = alone ? undefined : ties?.group;
      const message = group === undefined
        ? item.message
        : printGrouped({ group, id: ties!.id, message: item.message });
      if (
        giveUp !== undefined &&
        store.wasPutBack(queue, item.message, giveUp.afterMs)
      ) {
        store.fail(queue, giveUp.entry);
        failures++;
        if (ties !== undefined) ended.push(ties);
        continue;
      }
      if (ties !== undefined && !alone) again.push(ties);
      const atMs = now + Math.max(0, delayMs);
      (alone ? lone : retries).push({ atMs, message });
      continue;
    }
    if (ties !== undefined) ended.push(ties);
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
  const moved = failures + retries.length + lone.length;
  store.countLeft(queue, settled - moved, failures);
  storeOutcomes(store, queue, outcomes);
  haveEnded(store, queue, outcomes.map(({ id }) => id));
  if (ended.length + again.length > 0) letGo(store, queue, ended, again);
  return settled;
}

/** Lets go what jobs were tied to that have ended, or are tried again. */
function letGo(
  store: Store,
  queue: number,
  ended: readonly Ties[],
  again: readonly Ties[],
): void {
  const groups = new Groups(store, queue, readRule(store, queue).limits);
  for (const { id } of again) groups.ended(id);
  for (const { id, unique } of ended) {
    groups.ended(id);
    if (unique !== undefined) unlock(store, queue, unique, id);
    forgetCancelled(store, queue, id);
  }
}
