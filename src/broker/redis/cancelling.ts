import type { Cancellation, Cancelled } from "../broker.ts";
import type { Connection } from "./connection.ts";
import { type QueueKeys, splitId } from "./keys.ts";
import { explain, type ScriptRunner } from "./scripts.ts";
import type { Successors } from "./successors.ts";

/** A cancelled job that nobody meets is looked for so long after its time. */
const KEPT_SECONDS = 30 * 86_400;
const PAGE = 1000;

/** See `JobStore.cancel`. */
export async function cancel(
  runner: ScriptRunner,
  successors: Successors,
  keys: QueueKeys,
  jobs: readonly Cancellation[],
): Promise<boolean[]> {
  return await Promise.all(
    jobs.map(async ({ id, dueMs, outcome = "", gone }) => {
      const { producer, bucket, field } = splitId(id);
      const reply = await runner.run("cancel", [
        keys.meta,
        keys.cancelled,
        keys.cancelledUntil,
        keys.buckets,
        keys.results(bucket),
        keys.awaited,
        keys.arrivals,
        keys.blocked,
        keys.blockedDue,
      ], [
        id,
        String(KEPT_SECONDS),
        String(dueMs),
        bucket,
        field,
        outcome,
        keys.done(producer),
        gone ? "1" : "",
      ]);
      if (reply === 2) await successors.deliver(keys);
      return reply !== 0;
    }),
  );
}

/** See `Broker.cancelled`. */
export async function readCancelled(
  connection: Connection,
  keys: QueueKeys,
  after: number,
): Promise<Cancelled> {
  try {
    // The number first: what is cancelled meanwhile is told of again.
    const cancels = await connection
      .call(keys.meta, ["HGET", keys.meta, "cancels"]);
    const ids: string[] = [];
    // Others drop some meanwhile, so a page begins after a number, not a place.
    for (let last = after;;) {
      const page = await connection.call(keys.cancelled, [
        "ZRANGEBYSCORE",
        keys.cancelled,
        `(${last}`,
        "+inf",
        "WITHSCORES",
        "LIMIT",
        "0",
        String(PAGE),
      ]) as [id: string, number: number][];
      for (const [id] of page) ids.push(id);
      if (page.length < PAGE) break;
      last = page.at(-1)![1];
    }
    return { cancels: Number(cancels ?? 0), ids };
  } catch (error) {
    throw await explain(
      connection,
      error,
      `read what is cancelled in queue ${keys.queue}`,
      [keys.meta, keys.cancelled],
    );
  }
}
