/**
 * Stored outcomes: reading them, hearing of new ones, removing old ones.
 *
 * @module
 */
import type { ResultsChanged } from "../broker.ts";
import type { Heard } from "./channels.ts";
import type { Connection } from "./connection.ts";
import { type QueueKeys, splitId } from "./keys.ts";
import type { Limits } from "../limits.ts";
import { explain, type ScriptRunner } from "./scripts.ts";

/** Reads outcomes, `null` where there is none. */
export async function readResults(
  connection: Connection,
  keys: QueueKeys,
  ids: readonly string[],
): Promise<(string | null)[]> {
  const buckets = new Map<string, { fields: string[]; places: number[] }>();
  for (const [place, id] of ids.entries()) {
    const { bucket: name, field } = splitId(id);
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      buckets.set(name, bucket = { fields: [], places: [] });
    }
    bucket.fields.push(field);
    bucket.places.push(place);
  }
  const found: (string | null)[] = new Array(ids.length).fill(null);
  await Promise.all([...buckets].map(async ([name, { fields, places }]) => {
    const key = keys.results(name);
    const values = await connection.call(key, ["HMGET", key, ...fields])
      .catch(async (error) => {
        throw await explain(connection, error, "read results", [key]);
      });
    for (const [i, value] of (values as (string | null)[]).entries()) {
      found[places[i]] = value;
    }
  }));
  return found;
}

/** Keeps the stored outcomes of queues within their limits. */
export class ResultLimiter implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #runner: ScriptRunner;
  readonly #limits: Limits;
  readonly #running = new Map<string, Promise<void>>();

  constructor(connection: Connection, runner: ScriptRunner, limits: Limits) {
    this.#connection = connection;
    this.#runner = runner;
    this.#limits = limits;
  }

  /** Removes the oldest buckets, in the background, if too much is stored. */
  check(keys: QueueKeys, results: number, bytes: number): void {
    if (!this.#above(results, bytes) || this.#running.has(keys.queue)) return;
    const run = this.#shrink(keys)
      // The next settle finds the same and tries again.
      .catch(() => {})
      .finally(() => this.#running.delete(keys.queue));
    this.#running.set(keys.queue, run);
  }

  /** Removes buckets: name, last write, name, last write, ... */
  async evict(keys: QueueKeys, buckets: readonly string[]): Promise<number[]> {
    const names = buckets.filter((_, i) => i % 2 === 0);
    const reply = await this.#runner.run("evict", [
      keys.meta,
      keys.buckets,
      ...names.map((name) => keys.results(name)),
    ], buckets);
    return reply as number[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #shrink(keys: QueueKeys): Promise<void> {
    for (;;) {
      const oldest = await this.#connection.call(
        keys.buckets,
        ["ZRANGE", keys.buckets, "0", "7", "WITHSCORES"],
      ) as [string, number][];
      if (oldest.length === 0) return;
      const [, results, bytes] = await this.evict(
        keys,
        oldest.flatMap(([name, at]) => [name, String(at)]),
      );
      if (!this.#above(results, bytes)) return;
    }
  }

  #above(results: number, bytes: number): boolean {
    return results > this.#limits.results || bytes > this.#limits.resultBytes;
  }
}

/** Tells a listener what was published on the channel of its producer. */
export function hearsOutcomes(changed: ResultsChanged): Heard {
  return (text) => text === undefined ? changed() : changed(...readNews(text));
}

/** Numbers with commas between them, and perhaps a line with their outcomes. */
function readNews(text: string): Parameters<ResultsChanged> {
  const [numbers, outcomes] = text.split("\n", 2);
  try {
    return [
      numbers.split(",").map(Number),
      outcomes === undefined ? undefined : JSON.parse(outcomes),
    ];
  } catch {
    // Of somebody else; whoever waits reads.
    return [];
  }
}
