import { MAX_BATCH_BYTES } from "../broker.ts";
import type {
  DueSchedules,
  Firing,
  FoundSchedule,
  Schedules,
  StoredSchedule,
} from "../schedules.ts";
import type { Value } from "./database.ts";
import { sendTied } from "./tied.ts";
import type { Store } from "./store.ts";
import type { Transactions } from "./transaction.ts";

/** Schedules that one step looks at. */
const DUE_AT_ONCE = 100;
/** Stands for a time that never comes. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** Whether a schedule of a queue is due; in the open transaction. */
export function areSchedulesDue(
  { db }: Store,
  queue: number,
  nowMs: number,
): boolean {
  return db.value(
    "SELECT 1 FROM schedule WHERE queue = ? AND next <= ? LIMIT 1",
    queue,
    nowMs,
  ) !== undefined;
}

/** Schedules in a table. */
export class SqliteSchedules implements Schedules {
  readonly #store: Store;
  readonly #transactions: Transactions;

  constructor(store: Store, transactions: Transactions) {
    this.#store = store;
    this.#transactions = transactions;
  }

  find(queue: string, name: string): Promise<FoundSchedule> {
    return this.#transactions.read("look for a schedule", () => {
      const nowMs = this.#store.now();
      const schedule = this.#row(queue, name);
      return schedule === undefined ? { nowMs } : { nowMs, schedule };
    });
  }

  define(
    { queue, name, definition, nextMs = Infinity }: StoredSchedule,
  ): Promise<void> {
    return this.#transactions.write("define a schedule", () => {
      this.#store.db.run(
        // One that is paused stays so.
        `INSERT INTO schedule (queue, name, definition, next)
           VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
           SET definition = excluded.definition,
             next = iif(next IS NULL, NULL, excluded.next)
           WHERE definition <> excluded.definition`,
        this.#store.queue(queue),
        name,
        definition,
        column(nextMs),
      );
    });
  }

  list(queue?: string): Promise<StoredSchedule[]> {
    return this.#transactions.read("list schedules", () =>
      this.#store.db.rows(
        `SELECT queue.name, schedule.name, definition, next
           FROM schedule JOIN queue ON queue.id = queue
           WHERE ? IS NULL OR queue.name = ?
           ORDER BY queue.name, schedule.name`,
        queue ?? null,
        queue ?? null,
      ).map(scheduleOf));
  }

  pause(queue: string, name: string): Promise<boolean> {
    return this.#transactions.write(
      "pause a schedule",
      () =>
        this.#store.db.run(
          `UPDATE schedule SET next = NULL
           WHERE queue = (SELECT id FROM queue WHERE name = ?) AND name = ?`,
          queue,
          name,
        ) === 1,
    );
  }

  resume(schedule: StoredSchedule, nextMs: number): Promise<boolean> {
    return this.#transactions.write("resume a schedule", () => {
      const now = this.#row(schedule.queue, schedule.name);
      if (now?.definition !== schedule.definition) return false;
      if (now.nextMs === undefined) this.#setNext(schedule, nextMs);
      return true;
    });
  }

  remove(queue: string, name: string): Promise<boolean> {
    return this.#transactions.write(
      "delete a schedule",
      () =>
        this.#store.db.run(
          `DELETE FROM schedule
           WHERE queue = (SELECT id FROM queue WHERE name = ?) AND name = ?`,
          queue,
          name,
        ) === 1,
    );
  }

  due(queue: string): Promise<DueSchedules> {
    return this.#transactions.read("look for schedules that are due", () => {
      const nowMs = this.#store.now();
      const rows = this.#store.db.rows(
        `SELECT ?, name, definition, next FROM schedule
           WHERE queue = (SELECT id FROM queue WHERE name = ?) AND next <= ?
           ORDER BY next LIMIT ?`,
        queue,
        queue,
        nowMs,
        DUE_AT_ONCE,
      );
      let bytes = 0;
      const schedules = rows.map(scheduleOf).filter(({ definition }, i) =>
        (bytes += definition.length) <= MAX_BATCH_BYTES || i === 0
      );
      return { nowMs, schedules };
    });
  }

  fire(queue: string, firings: readonly Firing[]): Promise<number> {
    return this.#transactions.write("fire schedules", () => {
      let fired = 0;
      for (const { schedule, messages, ties, nextMs } of firings) {
        const now = this.#row(queue, schedule.name);
        if (
          now === undefined || now.nextMs !== schedule.nextMs ||
          now.definition !== schedule.definition
        ) continue;
        const id = this.#store.queue(queue);
        if (ties === undefined) this.#store.push(id, messages);
        else {
          messages.forEach((message, i) =>
            sendTied(this.#store, id, message, ties[i])
          );
        }
        this.#setNext(schedule, nextMs);
        fired++;
      }
      return fired;
    });
  }

  #row(queue: string, name: string): StoredSchedule | undefined {
    const row = this.#store.db.row(
      `SELECT queue.name, schedule.name, definition, next
         FROM schedule JOIN queue ON queue.id = queue
         WHERE queue.name = ? AND schedule.name = ?`,
      queue,
      name,
    );
    return row === undefined ? undefined : scheduleOf(row);
  }

  #setNext({ queue, name }: StoredSchedule, nextMs: number): void {
    this.#store.db.run(
      `UPDATE schedule SET next = ?
         WHERE queue = (SELECT id FROM queue WHERE name = ?) AND name = ?`,
      column(nextMs),
      queue,
      name,
    );
  }
}

function column(nextMs: number): number {
  return nextMs === Infinity ? NEVER : nextMs;
}

function scheduleOf([queue, name, definition, next]: Value[]): StoredSchedule {
  return {
    queue: queue as string,
    name: name as string,
    definition: definition as string,
    nextMs: next === null
      ? undefined
      : next === NEVER
      ? Infinity
      : next as number,
  };
}
