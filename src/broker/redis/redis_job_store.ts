import { encodeOutcome } from "../../job/outcome.ts";
import type {
  Cancellation,
  Entry,
  JobStore,
  ResultsChanged,
} from "../broker.ts";
import type { Schedules } from "../schedules.ts";
import type { Updates } from "../updates.ts";
import { cancel } from "./cancelling.ts";
import type { ChannelWatcher } from "./channels.ts";
import type { Connection } from "./connection.ts";
import { enqueue } from "./enqueue.ts";
import type { Introductions } from "./introductions.ts";
import type { KeySpace } from "./keys.ts";
import { hearsOutcomes, readResults } from "./results.ts";
import type { ScriptRunner } from "./scripts.ts";
import type { Successors } from "./successors.ts";

/** What storing jobs needs of the broker around it. */
export interface RedisJobStoreParts {
  readonly connection: Connection;
  readonly runner: ScriptRunner;
  /** Where jobs are stored: counts only what enough replicas have. */
  readonly storing: Connection;
  readonly storer: ScriptRunner;
  readonly space: KeySpace;
  readonly introductions: Introductions;
  readonly successors: Successors;
  readonly updates: Updates;
  readonly schedules: Schedules;
  /** What hears of outcomes; asked when it is needed. */
  channels(): ChannelWatcher;
}

/** The part of the broker that programs use which send jobs. */
export class RedisJobStore implements JobStore {
  readonly updates: Updates;
  readonly schedules: Schedules;
  readonly #parts: RedisJobStoreParts;

  constructor(parts: RedisJobStoreParts) {
    this.#parts = parts;
    this.updates = parts.updates;
    this.schedules = parts.schedules;
  }

  async enqueue(entries: readonly Entry[]): Promise<string[]> {
    const { storing, storer, space, introductions, successors } = this.#parts;
    return await enqueue({
      connection: storing,
      runner: storer,
      successors,
      keysOf: (queue) => space.of(queue),
      introduce: (keys) => introductions.of(keys),
      replaced: async ({ queue }, id, dueMs) => {
        const outcome = encodeOutcome({ kind: "cancelled" });
        await this.cancel(queue, [{ id, dueMs, outcome }]);
      },
    }, entries);
  }

  cancel(queue: string, jobs: readonly Cancellation[]): Promise<boolean[]> {
    const { runner, successors, space } = this.#parts;
    return cancel(runner, successors, space.of(queue), jobs);
  }

  async results(
    queue: string,
    ids: readonly string[],
  ): Promise<(string | null)[]> {
    const { connection, space } = this.#parts;
    return await readResults(connection, space.of(queue), ids);
  }

  async watchResults(
    queue: string,
    producer: string,
    changed: ResultsChanged,
  ): Promise<AsyncDisposable> {
    const channel = this.#parts.space.of(queue).done(producer);
    return await this.#parts.channels()
      .watch(channel, hearsOutcomes(changed));
  }
}
