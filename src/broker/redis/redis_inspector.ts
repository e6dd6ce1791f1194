import { BrokerError } from "../../errors.ts";
import type { Dsn } from "../dsn.ts";
import type { FailedRecord, Inspector } from "../inspector.ts";
import { parseRedisDsn } from "../redis_dsn.ts";
import type { Connection } from "./connection.ts";
import { Connector } from "./connector.ts";
import { KeySpace, splitId } from "./keys.ts";
import { ConnectionRunner, explain } from "./scripts.ts";

const PAGE = 100;

/** Looks into the queues of one Redis server. */
export class RedisInspector implements Inspector {
  readonly #connection: Connection;
  readonly #runner: ConnectionRunner;
  readonly #space: KeySpace;

  private constructor(url: string) {
    this.#space = new KeySpace(parseRedisDsn(url).prefix);
    this.#connection = new Connector(url).connect();
    this.#runner = new ConnectionRunner(this.#connection);
  }

  /**
   * Connects; see `openInspector`.
   *
   * @throws {BrokerError} If the server can't be reached or refuses us.
   */
  static async open(
    { url }: Extract<Dsn, { kind: "redis" }>,
  ): Promise<RedisInspector> {
    const inspector = new RedisInspector(url);
    try {
      await inspector.#connection.open?.();
    } catch (error) {
      throw new BrokerError((error as Error).message, { cause: error });
    }
    return inspector;
  }

  async queues(): Promise<string[]> {
    const names = await this.#call(
      "list queues",
      "SMEMBERS",
      this.#space.queues,
    );
    return (names as string[]).sort();
  }

  async *failed(queue: string): AsyncGenerator<FailedRecord> {
    const { failed } = this.#space.of(queue);
    let atMs = -Infinity;
    // Entries of the same millisecond that were answered, in any order: what
    // is removed between two pages must not shift the next one.
    let answered = new Set<string>();
    for (;;) {
      const page = await this.#call(
        `list the failed set of ${queue}`,
        "ZRANGEBYSCORE",
        failed,
        atMs === -Infinity ? "-inf" : String(atMs),
        "+inf",
        "WITHSCORES",
        "LIMIT",
        "0",
        String(PAGE + answered.size),
      ) as [string, number][];
      const fresh = page.filter(([entry]) => !answered.has(entry));
      if (fresh.length === 0) return;
      for (const [entry, score] of fresh) {
        if (score !== atMs) answered = new Set();
        atMs = score;
        answered.add(entry);
        yield { queue, key: entry, atMs, entry };
      }
    }
  }

  async replay(
    { queue, key }: FailedRecord,
    message: string,
    id?: string,
  ): Promise<boolean> {
    const keys = this.#space.of(queue);
    const outcome = id === undefined ? undefined : splitId(id);
    const reply = await this.#runner.run(
      "replay",
      [keys.meta, keys.failed, keys.ready].concat(
        outcome === undefined ? [] : keys.results(outcome.bucket),
      ),
      [key, message, outcome?.field ?? ""],
    );
    return reply === 1;
  }

  async remove({ queue, key }: FailedRecord): Promise<boolean> {
    const { failed } = this.#space.of(queue);
    const attempted = `remove from the failed set of ${queue}`;
    return await this.#call(attempted, "ZREM", failed, key) === 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #call(attempted: string, ...command: string[]): Promise<unknown> {
    const key = command[1];
    try {
      return await this.#connection.call(key, command);
    } catch (error) {
      throw await explain(this.#connection, error, attempted, [key]);
    }
  }
}
