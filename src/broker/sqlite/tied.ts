import type { Ties } from "../../job/ties.ts";
import { Groups } from "./groups.ts";
import { readRule } from "./rules.ts";
import type { Store } from "./store.ts";

/** Puts a job in line of its group, or into ready, if its key is free. */
export function sendTied(
  store: Store,
  queue: number,
  message: string,
  { id, unique, group }: Ties,
): void {
  if (unique !== undefined && !takeKey(store, queue, unique, id)) return;
  if (group === undefined) return store.push(queue, [message]);
  const { limits } = readRule(store, queue);
  new Groups(store, queue, limits).add({ group, id, message });
}

/** Gives a unique key to a job, unless another one has it. */
function takeKey(
  store: Store,
  queue: number,
  key: string,
  job: string,
): boolean {
  store.db.run(
    "INSERT OR IGNORE INTO uniq (queue, key, job) VALUES (?, ?, ?)",
    queue,
    key,
    job,
  );
  return keyHolder(store, queue, key) === job;
}

/** The job that has a unique key. */
export function keyHolder(
  { db }: Store,
  queue: number,
  key: string,
): string | undefined {
  return db.value(
    "SELECT job FROM uniq WHERE queue = ? AND key = ?",
    queue,
    key,
  ) as string | undefined;
}
