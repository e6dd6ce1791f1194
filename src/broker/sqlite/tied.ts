import type { Ties } from "../../job/ties.ts";
import { Groups } from "./groups.ts";
import { readRule } from "./rules.ts";
import type { Store } from "./store.ts";
import { giveUniqueKey, uniqueJob } from "./unique.ts";

/** Puts a job in line of its group, or into ready, if its key is free. */
export function sendTied(
  store: Store,
  queue: number,
  message: string,
  { id, unique, group }: Ties,
): void {
  if (unique !== undefined) {
    const other = uniqueJob(store, queue, unique);
    if (other !== undefined && other !== id) return;
    giveUniqueKey(store, queue, unique, id);
  }
  if (group === undefined) return store.push(queue, [message]);
  const { limits } = readRule(store, queue);
  new Groups(store, queue, limits).add({ group, id, message });
}
