import { FencedError } from "../broker.ts";
import type { Connection } from "./connection.ts";
import { explain } from "./scripts.ts";

/** Both accounts of what a worker holds in one queue. */
export interface Accounts {
  readonly worker: string;
  /** Keys of the queue. */
  readonly workers: string;
  readonly held: string;
  /** What the worker knows of. */
  readonly tokens: readonly string[];
  /** Puts back what it does not know. */
  readonly release: (unknown: readonly string[]) => Promise<void>;
}

/** See `Broker.reconcile`. */
export async function reconcile(
  connection: Connection,
  { worker, workers, held, tokens, release }: Accounts,
): Promise<string[]> {
  let place: number | null, stored: string[];
  try {
    [place, stored] = await Promise.all([
      connection.call(workers, ["ZSCORE", workers, worker]),
      connection.call(held, ["HKEYS", held]),
    ]) as [number | null, string[]];
  } catch (error) {
    throw await explain(connection, error, "reconcile", [workers, held]);
  }
  // A worker that holds nothing needs no place: see reserve.lua.
  const needsPlace = stored.length > 0 || tokens.length > 0;
  if (place === null ? needsPlace : place < 0) {
    throw new FencedError(
      `Cannot reconcile: the lease of worker ${worker} has lapsed`,
    );
  }
  const known = new Set(tokens);
  const unknown = stored.filter((token) => !known.has(token));
  if (unknown.length > 0) await release(unknown);
  const present = new Set(stored);
  return tokens.filter((token) => !present.has(token));
}
