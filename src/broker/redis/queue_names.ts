import type { Connection } from "./connection.ts";
import type { KeySpace } from "./keys.ts";
import { explain } from "./scripts.ts";

/** Names of all queues that were ever used, sorted. */
export async function readQueueNames(
  connection: Connection,
  { queues }: KeySpace,
): Promise<string[]> {
  try {
    const names = await connection.call(queues, ["SMEMBERS", queues]);
    return (names as string[]).sort();
  } catch (error) {
    throw await explain(connection, error, "list queues", [queues]);
  }
}
