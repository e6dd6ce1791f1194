/**
 * What workers say of themselves: a row each, removed a while after the last.
 *
 * @module
 */
import type { WorkerRecord } from "../inspector.ts";
import type { Store } from "./store.ts";

/** How long a worker's health is kept. */
const KEPT_MS = 60_000;

/** See `Broker.report`; in the open transaction. */
export function reportWorker(
  store: Store,
  worker: string,
  health: Readonly<Record<string, string>>,
): void {
  if (Object.keys(health).length === 0) {
    store.db.run("DELETE FROM health WHERE worker = ?", worker);
    return;
  }
  store.db.run(
    "INSERT OR REPLACE INTO health (worker, until, data) VALUES (?, ?, ?)",
    worker,
    store.now() + KEPT_MS,
    JSON.stringify(health),
  );
}

/** Workers whose health is known. */
export function readWorkers(store: Store): WorkerRecord[] {
  const now = store.now();
  return store.db.rows(
    "SELECT worker, until, data FROM health WHERE until > ?",
    now,
  ).map(([name, until, data]) => ({
    name: name as string,
    health: JSON.parse(data as string),
    ageMs: Math.max(0, now + KEPT_MS - (until as number)),
  }));
}
