import type { Counts } from "../broker.ts";
import type { Connection } from "./connection.ts";
import type { QueueKeys } from "./keys.ts";
import { explain } from "./scripts.ts";

/** A worker that has not renewed for so many ticks is late. */
const LATE_TICKS = 3;

/** How many jobs of a queue are in which state. */
export async function readCounts(
  connection: Connection,
  keys: QueueKeys,
): Promise<Counts> {
  const lists = [keys.ready, keys.inbox, keys.suspect, keys.crashed];
  const sets = [keys.scheduled, keys.retry, keys.lone, keys.failed];
  try {
    const [sizes, [held, heldByLate], others] = await Promise.all([
      Promise.all([
        ...lists.map((key) => call(connection, "LLEN", key)),
        ...sets.map((key) => call(connection, "ZCARD", key)),
      ]) as Promise<number[]>,
      readHeld(connection, keys),
      call(connection, "HMGET", keys.meta, "grouped", "blocked") as Promise<
        (string | null)[]
      >,
    ]);
    const [ready, inbox, suspect, crashed, scheduled, retry, lone, failed] =
      sizes;
    return {
      ready: ready + inbox + Number(others[0] ?? 0),
      suspect,
      crashed,
      held,
      heldByLate,
      retry: retry + lone,
      scheduled: scheduled + Number(others[1] ?? 0),
      failed,
    };
  } catch (error) {
    throw await explain(connection, error, `count jobs of ${keys.queue}`, [
      ...lists,
      ...sets,
    ]);
  }
}

/** Jobs that workers hold; of these, those of late workers. */
async function readHeld(
  connection: Connection,
  keys: QueueKeys,
): Promise<[held: number, byLate: number]> {
  const [tick, places] = await Promise.all([
    call(connection, "HGET", keys.meta, "tick"),
    call(connection, "ZRANGE", keys.workers, "0", "-1", "WITHSCORES"),
  ]) as [string | null, [worker: string, place: number][]];
  // Below zero is the mark of a dead worker, which holds nothing.
  const living = places.filter(([, place]) => place >= 0);
  const sizes = await Promise.all(
    living.map(([worker]) => call(connection, "HLEN", keys.held(worker))),
  ) as number[];
  let held = 0;
  let byLate = 0;
  for (const [i, [, place]] of living.entries()) {
    held += sizes[i];
    if (Number(tick ?? 0) - place >= LATE_TICKS) byLate += sizes[i];
  }
  return [held, byLate];
}

function call(
  connection: Connection,
  ...command: string[]
): Promise<unknown> {
  return connection.call(command[1], command);
}
