import type { QueueControl, QueueLimits, QueueState } from "../control.ts";
import type { Connection } from "./connection.ts";
import type { KeySpace, QueueKeys } from "./keys.ts";
import { explain, type ScriptRunner } from "./scripts.ts";

/** Pauses queues of a Redis server, and sets their limits. */
export class RedisControl implements QueueControl {
  readonly #connection: Connection;
  readonly #runner: ScriptRunner;
  readonly #space: KeySpace;

  constructor(connection: Connection, runner: ScriptRunner, space: KeySpace) {
    this.#connection = connection;
    this.#runner = runner;
    this.#space = space;
  }

  async pause(queue: string): Promise<void> {
    await this.#set(this.#space.of(queue), "1", "-");
  }

  async resume(queue: string): Promise<void> {
    await this.#set(this.#space.of(queue), "0", "-");
  }

  async setLimits(queue: string, limits: QueueLimits): Promise<void> {
    const json = JSON.stringify(limits);
    await this.#set(this.#space.of(queue), "", json === "{}" ? "" : json);
  }

  async state(queue: string): Promise<QueueState> {
    const { meta } = this.#space.of(queue);
    const [paused, limits] = await this.#call(
      `read how queue ${queue} is served`,
      ["HMGET", meta, "paused", "limits"],
    ) as (string | null)[];
    return {
      paused: paused !== null,
      limits: limits === null ? {} : JSON.parse(limits),
    };
  }

  async #set(keys: QueueKeys, paused: string, limits: string): Promise<void> {
    for (;;) {
      // What they hold is counted from now on; a new one may come meanwhile.
      const workers = limits === "-" || limits === "" ? [] : await this.#call(
        `set the limits of queue ${keys.queue}`,
        ["ZRANGEBYSCORE", keys.workers, "0", "+inf"],
      ) as string[];
      const done = await this.#runner.run(
        "limit",
        [
          keys.meta,
          keys.workers,
          ...workers.map((worker) => keys.held(worker)),
        ],
        [paused, limits, ...workers],
      );
      if (done === 1) break;
    }
    if (limits !== "-") await this.#regroup(keys);
  }

  /** What waited for a limit of before must not wait for it any more. */
  async #regroup(keys: QueueKeys): Promise<void> {
    const { meta, ready, groups, ring, groupDue } = keys;
    let cursor = "0";
    do {
      const [next, fields] = await this.#call(
        `set the limits of the groups of queue ${keys.queue}`,
        ["HSCAN", groups, cursor, "MATCH", "g:*", "COUNT", "1000"],
      ) as [string, string[]];
      cursor = next;
      const names = fields.filter((_, i) => i % 2 === 0)
        .map((field) => field.slice("g:".length));
      if (names.length === 0) continue;
      await this.#runner
        .run("regroup", [meta, ready, groups, ring, groupDue], names);
    } while (cursor !== "0");
  }

  async #call(attempted: string, command: string[]): Promise<unknown> {
    try {
      return await this.#connection.call(command[1], command);
    } catch (error) {
      throw await explain(this.#connection, error, attempted, [command[1]]);
    }
  }
}
