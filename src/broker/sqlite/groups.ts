import type { Limit, QueueLimits } from "../control.ts";
import { stored, textOf } from "./database.ts";
import { RateWindow } from "./rate_window.ts";
import { countRule } from "./rules.ts";
import type { Store } from "./store.ts";

/** How a job of a group waits for its time begins; see `reap.lua`. */
const GROUPED = "\x01";

/** A group as it is in the open transaction. */
interface Group {
  readonly name: string;
  readonly limit: Limit;
  active: number;
  waiting: number;
  turn: number | null;
  due: number | null;
  window?: RateWindow;
}

/** A job of a group. */
export interface GroupedJob {
  readonly group: string;
  readonly id: string;
  readonly message: string;
}

/** The text of a job of a group that waits for its time. */
export function printGrouped({ group, id, message }: GroupedJob): string {
  return `${GROUPED}${group}\n${id}\n${message}`;
}

/** Reads what {@linkcode printGrouped} made; nothing: it is of no group. */
export function parseGrouped(text: string): GroupedJob | undefined {
  if (!text.startsWith(GROUPED)) return undefined;
  const [group, id, ...message] = text.slice(1).split("\n");
  if (message.length === 0) return undefined;
  return { group, id, message: message.join("\n") };
}

/** The groups of a queue and their limits; in the open transaction. */
export class Groups {
  readonly #store: Store;
  readonly #queue: number;
  readonly #limits: QueueLimits;
  readonly #known = new Map<string, Group>();

  constructor(store: Store, queue: number, limits: QueueLimits) {
    this.#store = store;
    this.#queue = queue;
    this.#limits = limits;
  }

  /** Lets a job wait at the end of its group. */
  add({ group: name, id, message }: GroupedJob): void {
    const group = this.#get(name);
    this.#store.db.run(
      `INSERT INTO grouped (queue, grp, seq, id, message)
         VALUES (?, ?, ?, ?, ?)`,
      this.#queue,
      name,
      this.#store.numbers(this.#queue, 1),
      id,
      stored(message),
    );
    group.waiting++;
    this.#put(group);
    countRule(this.#store, this.#queue, { grouped: 1 });
    this.#store.announce();
  }

  /**
   * Takes jobs of groups in turn, at most so many and so long. They count as
   * active unless nobody will say when they end.
   */
  take(
    limit: number,
    bytes: number,
    { others, counts }: { readonly others: boolean; readonly counts: boolean },
  ): string[] {
    const { db } = this.#store;
    const names = db.rows(
      `SELECT name FROM grp WHERE queue = ? AND turn IS NOT NULL
         ORDER BY turn LIMIT ?`,
      this.#queue,
      Math.max(limit, 50),
    ).map(([name]) => name as string);
    const messages: string[] = [];
    let size = 0;
    for (let at = 0; at < names.length && messages.length < limit; at++) {
      const group = this.#get(names[at]);
      const row = group.waiting > 0 && this.#may(group) === true
        ? db.row(
          `SELECT seq, id, message FROM grouped
             WHERE queue = ? AND grp = ? ORDER BY seq LIMIT 1`,
          this.#queue,
          group.name,
        )
        : undefined;
      if (row !== undefined) {
        const [seq, id] = row as [number, string];
        const message = textOf(row[2]);
        const isFirst = !others && messages.length === 0;
        if (!isFirst && size + message.length > bytes) break;
        size += message.length;
        messages.push(message);
        this.#let(group, seq, id, counts);
        names.push(group.name);
      }
      // At the end of those that may go, or not among them.
      group.turn = null;
      this.#put(group);
    }
    if (messages.length > 0) {
      countRule(this.#store, this.#queue, { grouped: -messages.length });
    }
    return messages;
  }

  /** Removes a job that waits; `false`: it is not there any more. */
  remove(seq: number): boolean {
    const name = this.#store.db.value(
      "DELETE FROM grouped WHERE queue = ? AND seq = ? RETURNING grp",
      this.#queue,
      seq,
    );
    if (name === undefined) return false;
    const group = this.#get(name as string);
    group.waiting--;
    this.#put(group);
    countRule(this.#store, this.#queue, { grouped: -1 });
    return true;
  }

  /** An active job has ended, or waits for its next attempt. */
  ended(id: string): void {
    const name = this.#store.db.value(
      "DELETE FROM active WHERE queue = ? AND id = ? RETURNING grp",
      this.#queue,
      id,
    );
    if (name === undefined) return;
    const group = this.#get(name as string);
    group.active = Math.max(0, group.active - 1);
    this.#put(group);
  }

  /** The rate of some groups may let jobs go by now. `true`: there are more. */
  look(limit: number): boolean {
    const names = this.#store.db.rows(
      "SELECT name FROM grp WHERE queue = ? AND due <= ? ORDER BY due LIMIT ?",
      this.#queue,
      this.#store.now(),
      limit,
    );
    for (const [name] of names) this.#put(this.#get(name as string));
    return names.length === limit;
  }

  /** In how many milliseconds `look` is worth it; nothing: no rate is in the way. */
  looksInMs(): number | undefined {
    const dueMs = this.#store.db.value(
      "SELECT min(due) FROM grp WHERE queue = ? AND due IS NOT NULL",
      this.#queue,
    ) as number | null;
    if (dueMs === null) return undefined;
    return Math.min(60_000, Math.max(10, dueMs - this.#store.now()));
  }

  /** The limits have changed: what they let go is in turn. */
  regroup(): void {
    const names = this.#store.db.rows(
      "SELECT name FROM grp WHERE queue = ?",
      this.#queue,
    );
    for (const [name] of names) this.#put(this.#get(name as string));
  }

  #let(group: Group, seq: number, id: string, counts: boolean): void {
    const { db } = this.#store;
    db.run(
      "DELETE FROM grouped WHERE queue = ? AND grp = ? AND seq = ?",
      this.#queue,
      group.name,
      seq,
    );
    group.waiting--;
    group.window?.count(1);
    if (!counts) return;
    group.active++;
    db.run(
      "INSERT OR REPLACE INTO active (queue, id, grp) VALUES (?, ?, ?)",
      this.#queue,
      id,
      group.name,
    );
  }

  #get(name: string): Group {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const [active, waiting, turn, due] = (this.#store.db.row(
      "SELECT active, waiting, turn, due FROM grp WHERE queue = ? AND name = ?",
      this.#queue,
      name,
    ) ?? [0, 0, null, null]) as [number, number, number | null, number | null];
    const limit = this.#limits.groups?.[name] ?? this.#limits.group ?? {};
    const group: Group = { name, limit, active, waiting, turn, due };
    this.#known.set(name, group);
    return group;
  }

  /** Whether one more may go; else from when on, or nothing if time decides not. */
  #may(group: Group): true | number | undefined {
    const { concurrency = Infinity, rate } = group.limit;
    if (group.active >= concurrency) return undefined;
    if (rate === undefined) return true;
    group.window ??= new RateWindow(this.#store, this.#queue, group.name, rate);
    return group.window.room > 0 || group.window.freesAtMs;
  }

  /** Notes a group where it belongs. */
  #put(group: Group): void {
    const { db } = this.#store;
    if (group.active === 0 && group.waiting === 0) {
      this.#known.delete(group.name);
      db.run(
        "DELETE FROM grp WHERE queue = ? AND name = ?",
        this.#queue,
        group.name,
      );
      return;
    }
    const may = group.waiting > 0 ? this.#may(group) : undefined;
    if (may === true) {
      if (group.turn === null) this.#store.announce();
      group.turn ??= countRule(this.#store, this.#queue, { turns: 1 })[1];
    } else group.turn = null;
    group.due = typeof may === "number" ? may : null;
    db.run(
      `INSERT OR REPLACE INTO grp (queue, name, active, waiting, turn, due)
         VALUES (?, ?, ?, ?, ?, ?)`,
      this.#queue,
      group.name,
      group.active,
      group.waiting,
      group.turn,
      group.due,
    );
  }
}
