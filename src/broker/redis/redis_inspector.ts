import { BrokerError } from "../../errors.ts";
import type { Ties } from "../../job/ties.ts";
import type { Cancellation } from "../broker.ts";
import type { Dsn } from "../dsn.ts";
import {
  type Inspector,
  type JobRecord,
  type JobState,
  LOOK_JOBS,
  NEARBY_JOBS,
  type QueueLook,
  saysWhenSent,
  type WorkerRecord,
} from "../inspector.ts";
import { parseRedisDsn } from "../redis_dsn.ts";
import { cancel, readCancelled } from "./cancelling.ts";
import type { Connection } from "./connection.ts";
import { Connector } from "./connector.ts";
import { readCounts } from "./counts.ts";
import { KeySpace, type QueueKeys, splitId } from "./keys.ts";
import { type PageEntry, readPages } from "./pages.ts";
import { readResults } from "./results.ts";
import { ConnectionRunner, explain } from "./scripts.ts";
import { Successors } from "./successors.ts";
import { readWorkers } from "./worker_records.ts";

/** Looks into the queues of one Redis server, or of a cluster. */
export class RedisInspector implements Inspector {
  readonly #connection: Connection;
  readonly #runner: ConnectionRunner;
  readonly #space: KeySpace;
  /** Of records that were read: what their page must know. */
  readonly #entries = new WeakMap<JobRecord, PageEntry>();

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

  async look(queues: readonly string[]): Promise<QueueLook[]> {
    return await Promise.all(queues.map((queue) => this.#look(queue)));
  }

  async workers(): Promise<WorkerRecord[]> {
    return await readWorkers(this.#connection, this.#space);
  }

  async *jobs(queue: string, state: JobState): AsyncGenerator<JobRecord> {
    const keys = this.#space.of(queue);
    if (state === "held") return yield* this.#held(keys);
    if (state === "blocked") {
      return yield* this.#fields(keys, state, keys.blocked);
    }
    const sorted = SORTED.has(state);
    for (const key of places(keys, state)) {
      if (key === keys.groups) continue;
      for await (const entry of readPages(this.#runner, key, sorted)) {
        const { text: key, score: atMs } = entry;
        const text = state === "failed" ? key : withoutGroup(key);
        const record: JobRecord = { queue, state, key, text, atMs };
        this.#entries.set(record, entry);
        yield record;
      }
    }
    if (state === "ready") yield* this.#fields(keys, state, keys.groups);
  }

  async outcome(queue: string, id: string): Promise<string | null> {
    const keys = this.#space.of(queue);
    return (await readResults(this.#connection, keys, [id]))[0];
  }

  async replay(
    record: JobRecord,
    message: string,
    id?: string,
    { unique = "", group = "", ...ties }: Partial<Ties> = {},
  ): Promise<"replayed" | "gone" | "taken"> {
    const keys = this.#space.of(record.queue);
    const outcome = id === undefined ? undefined : splitId(id);
    this.#moves(record);
    const reply = await this.#runner.run(
      "replay",
      [
        keys.meta,
        keys.failed,
        keys.ready,
        keys.unique,
        keys.groups,
        keys.ring,
        keys.groupDue,
        keys.cancelled,
        keys.cancelledUntil,
      ].concat(outcome === undefined ? [] : keys.results(outcome.bucket)),
      [
        record.key,
        message,
        outcome?.field ?? "",
        ties.id ?? id ?? "",
        unique,
        group,
      ],
    );
    return REPLAYED[reply as number];
  }

  hasten(record: JobRecord): Promise<boolean> {
    return this.#change(record, (key) =>
      // The beginning of time: no clock has to be asked.
      this.#call(
        `make a job due in ${record.queue}`,
        ...["ZADD", key, "XX", "LT", "CH", "0", record.key],
      ));
  }

  cancel(queue: string, jobs: readonly Cancellation[]): Promise<boolean[]> {
    const successors = new Successors(
      this.#connection,
      this.#runner,
      this.#space,
    );
    return cancel(this.#runner, successors, this.#space.of(queue), jobs);
  }

  async cancelled(queue: string): Promise<readonly string[]> {
    const keys = this.#space.of(queue);
    return (await readCancelled(this.#connection, keys, 0)).ids;
  }

  async remove(record: JobRecord, ties?: Ties): Promise<boolean> {
    const { queue, state, key } = record;
    const keys = this.#space.of(queue);
    if (state === "blocked") {
      const id = key.slice("m:".length);
      return (await this.cancel(queue, [{ id, dueMs: 0 }]))[0];
    }
    return await this.#change(record, (place) =>
      this.#runner.run("remove", [
        place,
        keys.ready,
        keys.meta,
        keys.unique,
        keys.groups,
        keys.ring,
        keys.groupDue,
      ], [
        key,
        // Others may have come in front of it since it was read.
        String(2 * LOOK_JOBS),
        ties?.id ?? "",
        ties?.unique ?? "",
      ]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #look(queue: string): Promise<QueueLook> {
    const keys = this.#space.of(queue);
    const [counts, sums, woken, ready] = await Promise.all([
      readCounts(this.#connection, keys),
      this.#call(`look at ${queue}`, "HMGET", ...[
        keys.meta,
        ...["done", "failed", "paused"],
      ]),
      this.#first(keys.inbox),
      this.#first(keys.ready),
    ]);
    const [done, failed, paused] = (sums as (string | null)[]).map(Number);
    const waiting = [...woken, ...ready];
    const next = waiting.find(saysWhenSent) ?? waiting[0];
    return { queue, counts, done, failed, paused: paused === 1, next };
  }

  /** The first messages of a list. */
  async #first(key: string): Promise<string[]> {
    const [, ...messages] = await this.#runner
      .run("page", [key], [String(NEARBY_JOBS), "65536", "0", "", "0"]) as [
        number,
        ...string[],
      ];
    return messages;
  }

  async *#held(keys: QueueKeys): AsyncGenerator<JobRecord> {
    const { queue } = keys;
    // Below zero is the mark of a dead worker, which holds nothing.
    const workers = await this.#call(
      `list the workers of ${queue}`,
      ...["ZRANGEBYSCORE", keys.workers, "0", "+inf"],
    ) as string[];
    for (const worker of workers) {
      const seen = new Set<string>();
      let cursor = "0";
      do {
        const [next, fields] = await this.#call(
          `list what ${worker} holds`,
          ...["HSCAN", keys.held(worker), cursor, "COUNT", "100"],
        ) as [string, string[]];
        for (let i = 0; i < fields.length; i += 2) {
          const [key, text] = [fields[i], fields[i + 1]];
          if (seen.has(key)) continue;
          seen.add(key);
          yield { queue, state: "held", key, text, worker };
        }
        cursor = next;
      } while (cursor !== "0");
    }
  }

  /** Jobs that are fields of a hash, whose names begin with `m:`. */
  async *#fields(
    { queue }: QueueKeys,
    state: JobState,
    hash: string,
  ): AsyncGenerator<JobRecord> {
    const seen = new Set<string>();
    let cursor = "0";
    do {
      const [next, fields] = await this.#call(
        `list jobs of ${queue}`,
        ...["HSCAN", hash, cursor, "MATCH", "m:*", "COUNT", "100"],
      ) as [string, string[]];
      for (let i = 0; i < fields.length; i += 2) {
        const [key, value] = [fields[i], fields[i + 1]];
        if (seen.has(key) || seen.size >= LOOK_JOBS) continue;
        seen.add(key);
        // In front of the message is a line that is not part of it.
        const text = value.slice(value.indexOf("\n") + 1);
        yield { queue, state, key, text };
      }
      cursor = next;
    } while (cursor !== "0" && seen.size < LOOK_JOBS);
  }

  /** Tries it where the job may lie, until one place had it. */
  async #change(
    record: JobRecord,
    change: (key: string) => Promise<unknown>,
  ): Promise<boolean> {
    const read = this.#moves(record)?.key;
    const keys = read === undefined
      ? places(this.#space.of(record.queue), record.state)
      : [read];
    for (const key of keys) {
      if (await change(key) === 1) return true;
    }
    return false;
  }

  /** Notes that a job is about to leave its place; in time for the next page. */
  #moves(record: JobRecord): PageEntry | undefined {
    const entry = this.#entries.get(record);
    if (entry !== undefined) entry.moved = true;
    return entry;
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

/** States whose jobs lie in sorted sets. */
const SORTED: ReadonlySet<JobState> = new Set(["scheduled", "retry", "failed"]);

/** What `replay.lua` answers. */
const REPLAYED = ["gone", "replayed", "taken"] as const;

/** The message of a job that waits for its time; see `reap.lua`. */
function withoutGroup(text: string): string {
  if (!text.startsWith("\x01")) return text;
  const [, , ...message] = text.split("\n");
  return message.length === 0 ? text : message.join("\n");
}

/** Where jobs of a state lie. */
function places(keys: QueueKeys, state: JobState): string[] {
  switch (state) {
    case "ready":
      return [keys.inbox, keys.ready, keys.groups];
    case "retry":
      return [keys.retry, keys.lone];
    case "held":
      return [];
    default:
      return [keys[state]];
  }
}
