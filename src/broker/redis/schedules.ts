import { MAX_BATCH_BYTES } from "../broker.ts";
import type {
  DueSchedules,
  Firing,
  FoundSchedule,
  Schedules,
  StoredSchedule,
} from "../schedules.ts";
import type { Connection } from "./connection.ts";
import type { Introductions } from "./introductions.ts";
import type { KeySpace } from "./keys.ts";
import { readQueueNames } from "./queue_names.ts";
import { explain, type ScriptRunner } from "./scripts.ts";

/** Schedules that one step looks at, and one command fires. */
const DUE_AT_ONCE = 100;

/** What schedules need of the broker around them. */
export interface SchedulesParts {
  readonly connection: Connection;
  readonly runner: ScriptRunner;
  /** Runs what stores something that must not be lost. */
  readonly storer: ScriptRunner;
  readonly space: KeySpace;
  readonly introductions: Introductions;
}

/** Schedules in a hash, and their next due times in a sorted set. */
export class RedisSchedules implements Schedules {
  readonly #parts: SchedulesParts;

  constructor(parts: SchedulesParts) {
    this.#parts = parts;
  }

  async find(queue: string, name: string): Promise<FoundSchedule> {
    const [nowMs, definition, score] = await this.#parts.runner
      .run("find_schedule", this.#keys(queue), [name]) as [
        number,
        string | null,
        string | null,
      ];
    if (definition === null) return { nowMs };
    const nextMs = score === null ? undefined : milliseconds(score);
    return { nowMs, schedule: { queue, name, definition, nextMs } };
  }

  async define(
    { queue, name, definition, nextMs = Infinity }: StoredSchedule,
  ): Promise<void> {
    await this.#parts.introductions.of(this.#parts.space.of(queue));
    await this.#parts.storer.run(
      "define_schedule",
      this.#keys(queue),
      [name, definition, score(nextMs)],
    );
  }

  async list(queue?: string): Promise<StoredSchedule[]> {
    const { connection, space } = this.#parts;
    const queues = queue === undefined
      ? await readQueueNames(connection, space)
      : [queue];
    const lists = await Promise.all(queues.map((name) => this.#listOf(name)));
    return lists.flat();
  }

  async pause(queue: string, name: string): Promise<boolean> {
    return await this.#take(queue, name, "0");
  }

  async resume(schedule: StoredSchedule, nextMs: number): Promise<boolean> {
    const { queue, name, definition } = schedule;
    return await this.#parts.storer.run(
      "resume_schedule",
      this.#keys(queue),
      [name, await digest(definition), score(nextMs)],
    ) === 1;
  }

  async remove(queue: string, name: string): Promise<boolean> {
    return await this.#take(queue, name, "1");
  }

  async due(queue: string): Promise<DueSchedules> {
    const [nowMs, ...fields] = await this.#parts.runner.run(
      "due_schedules",
      this.#keys(queue),
      [DUE_AT_ONCE, MAX_BATCH_BYTES].map(String),
    ) as [number, ...string[]];
    const schedules: StoredSchedule[] = [];
    for (let i = 0; i < fields.length; i += 3) {
      const [name, nextMs, definition] = fields.slice(i, i + 3);
      schedules.push({ queue, name, definition, nextMs: milliseconds(nextMs) });
    }
    return { nowMs, schedules };
  }

  async fire(queue: string, firings: readonly Firing[]): Promise<number> {
    if (firings.length === 0) return 0;
    const keys = this.#parts.space.of(queue);
    const digests = await Promise.all(
      firings.map(({ schedule }) => digest(schedule.definition)),
    );
    return await this.#parts.storer.run(
      "fire_schedules",
      [
        keys.ready,
        ...this.#keys(queue),
        keys.meta,
        keys.unique,
        keys.groups,
        keys.ring,
        keys.groupDue,
        keys.cancelled,
      ],
      firings.flatMap(({ schedule, messages, ties, nextMs }, at) => [
        schedule.name,
        digests[at],
        score(schedule.nextMs!),
        score(nextMs),
        String(messages.length),
        ...messages.flatMap((message, i) => {
          const { id = "", unique = "", group = "" } = ties?.[i] ?? {};
          return [id, unique, group, message];
        }),
      ]),
    ) as number;
  }

  #keys(queue: string): [schedules: string, due: string] {
    const { schedules, scheduleDue } = this.#parts.space.of(queue);
    return [schedules, scheduleDue];
  }

  async #take(queue: string, name: string, all: string): Promise<boolean> {
    return await this.#parts.runner
      .run("pause_schedule", this.#keys(queue), [name, all]) === 1;
  }

  async #listOf(queue: string): Promise<StoredSchedule[]> {
    const [schedules, due] = this.#keys(queue);
    const found = new Map<string, StoredSchedule>();
    let cursor = "0";
    do {
      const [next, fields] = await this.#call(
        queue,
        ["HSCAN", schedules, cursor, "COUNT", "100"],
      ) as [string, string[]];
      cursor = next;
      const names = fields.filter((_, i) => i % 2 === 0);
      if (names.length === 0) continue;
      const scores = await this.#call(queue, ["ZMSCORE", due, ...names]) as (
        | number
        | null
      )[];
      names.forEach((name, i) => {
        const definition = fields[2 * i + 1];
        const nextMs = scores[i] ?? undefined;
        found.set(name, { queue, name, definition, nextMs });
      });
    } while (cursor !== "0");
    return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  async #call(queue: string, command: string[]): Promise<unknown> {
    const { connection } = this.#parts;
    const key = command[1];
    try {
      return await connection.call(key, command);
    } catch (error) {
      const attempted = `list the schedules of ${queue}`;
      throw await explain(connection, error, attempted, [key]);
    }
  }
}

/** As Redis writes and reads a due time. */
function score(ms: number): string {
  return ms === Infinity ? "+inf" : String(ms);
}

function milliseconds(score: string): number {
  return score === "inf" ? Infinity : Number(score);
}

/** Tells a definition from another one, for a script. */
async function digest(definition: string): Promise<string> {
  const bytes = new TextEncoder().encode(definition);
  return new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)).toHex();
}
