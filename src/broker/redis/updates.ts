import type { Limits } from "../limits.ts";
import type { Updates, UpdatesPage } from "../updates.ts";
import type { ChannelWatcher } from "./channels.ts";
import type { Connection } from "./connection.ts";
import type { KeySpace } from "./keys.ts";
import { explain, type ScriptRunner } from "./scripts.ts";

/** What updates need of the broker around them. */
export interface UpdatesParts {
  readonly connection: Connection;
  readonly runner: ScriptRunner;
  readonly space: KeySpace;
  readonly limits: Limits;
  channels(): ChannelWatcher;
}

/**
 * The updates of each job are a stream: its ids go on growing when the oldest
 * are dropped, or when all had expired, so they say where a reader was.
 */
export class RedisUpdates implements Updates {
  readonly #parts: UpdatesParts;

  constructor(parts: UpdatesParts) {
    this.#parts = parts;
  }

  async append(
    worker: string | undefined,
    queue: string,
    id: string,
    updates: readonly string[],
  ): Promise<void> {
    const { runner, space, limits } = this.#parts;
    const keys = space.of(queue);
    await runner.run("append_updates", [keys.workers, keys.updates(id)], [
      worker ?? "",
      keys.updated(id),
      String(limits.updates),
      String(limits.updateAgeMs),
      ...updates,
    ]);
  }

  async read(
    queue: string,
    id: string,
    position: string | undefined,
    limit: number,
  ): Promise<UpdatesPage> {
    const { connection, space } = this.#parts;
    const key = space.of(queue).updates(id);
    const from = position === undefined ? "-" : `(${position}`;
    const entries = await connection
      .call(key, ["XRANGE", key, from, "+", "COUNT", String(limit)])
      .catch(async (error) => {
        throw await explain(connection, error, "read updates", [key]);
      }) as [string, [string, string]][];
    return {
      updates: entries.map(([, [, text]]) => text),
      position: entries.at(-1)?.[0] ?? position,
    };
  }

  watch(
    queue: string,
    id: string,
    changed: () => void,
  ): Promise<AsyncDisposable> {
    const { space } = this.#parts;
    return this.#parts.channels().watch(
      space.of(queue).updated(id),
      () => changed(),
    );
  }
}
