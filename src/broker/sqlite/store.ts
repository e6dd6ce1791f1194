import { FencedError } from "../broker.ts";
import type { Limits } from "../limits.ts";
import { type Database, stored } from "./database.ts";

/** States of a waiting job. */
export const READY = 0;
export const SUSPECT = 1;
export const CRASHED = 2;

/** Kinds of due jobs. */
export const SCHEDULED = 0;
export const RETRY = 1;
export const LONE = 2;

/** What can be added to the counters of a queue. */
export interface Counted {
  readonly ready?: number;
  readonly scheduled?: number;
  readonly retry?: number;
}

/** A job that may run from a moment on. */
export interface DueJob {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly message: string;
}

/** A token in its parts: `<batch>:<seq>`, and a mark unless it was ready. */
export interface TokenParts {
  readonly batch: number;
  readonly seq: number;
  /** Empty, s suspect, r begun, c crashed. */
  readonly mark: string;
}

/** Takes a token apart; `undefined` if it was never one of ours. */
export function parseToken(token: string): TokenParts | undefined {
  const [batch, seq, mark = ""] = token.split(":");
  const parts = { batch: Number(batch), seq: Number(seq), mark };
  return Number.isInteger(parts.batch) && Number.isInteger(parts.seq)
    ? parts
    : undefined;
}

/** The token of a job in a batch. */
export function printToken(batch: number, seq: number, mark: string): string {
  return mark === "" ? `${batch}:${seq}` : `${batch}:${seq}:${mark}`;
}

/**
 * What the verbs share: rows of queues and workers, and how jobs get into
 * tables. All of it runs inside a transaction of the caller.
 */
export class Store {
  readonly db: Database;
  readonly limits: Limits;
  readonly #clock: () => number;
  #news = false;

  constructor(db: Database, limits: Limits, clock: () => number) {
    this.db = db;
    this.limits = limits;
    this.#clock = clock;
  }

  /** Milliseconds since 1970. */
  now(): number {
    return Math.floor(this.#clock());
  }

  /** Notes that other processes wait for what this transaction writes. */
  announce(): void {
    this.#news = true;
  }

  /** Whether {@linkcode announce} was called since this was asked. */
  takeNews(): boolean {
    const news = this.#news;
    this.#news = false;
    return news;
  }

  /** The id of a queue; `undefined` if nobody ever used it. */
  find(queue: string): number | undefined {
    return this.db.value("SELECT id FROM queue WHERE name = ?", queue) as
      | number
      | undefined;
  }

  /** The id of a queue, which exists from now on. */
  queue(queue: string): number {
    return this.find(queue) ??
      this.db.insert("INSERT INTO queue (name) VALUES (?)", queue);
  }

  /** The tick of a queue. */
  tick(queue: number): number {
    return this.db.value(
      "SELECT tick FROM queue WHERE id = ?",
      queue,
    ) as number;
  }

  /** The tick of a worker's last renewal; below zero: dead. */
  place(queue: number, worker: string): number | undefined {
    return this.db.value(
      "SELECT tick FROM worker WHERE queue = ? AND name = ?",
      queue,
      worker,
    ) as number | undefined;
  }

  /** Sets the place of a worker: a tick, or below zero the mark of the dead. */
  setPlace(queue: number, worker: string, tick: number): void {
    this.db.run(
      "INSERT OR REPLACE INTO worker (queue, name, tick) VALUES (?, ?, ?)",
      queue,
      worker,
      tick,
    );
  }

  /** @throws {FencedError} If the worker has no place. */
  requirePlace(queue: number, worker: string): void {
    const place = this.place(queue, worker);
    if (place === undefined || place < 0) throw fenced(worker);
  }

  /** How many jobs a worker holds. */
  held(queue: number, worker: string): number {
    return this.db.value(
      "SELECT coalesce(sum(held), 0) FROM held_batch WHERE queue = ? AND worker = ?",
      queue,
      worker,
    ) as number;
  }

  /** Deletes a batch with all that is held of it. */
  forgetBatch(queue: number, worker: string, batch: number): void {
    this.db.run(
      "DELETE FROM held_job WHERE queue = ? AND batch = ?",
      queue,
      batch,
    );
    this.db.run(
      "DELETE FROM held_batch WHERE queue = ? AND worker = ? AND id = ?",
      queue,
      worker,
      batch,
    );
  }

  /** Adds to counters of a queue. */
  count(
    queue: number,
    { ready = 0, scheduled = 0, retry = 0 }: Counted,
  ): void {
    this.db.run(
      `UPDATE queue SET ready = ready + ?, scheduled = scheduled + ?,
         retry = retry + ? WHERE id = ?`,
      ready,
      scheduled,
      retry,
      queue,
    );
  }

  /** Adds to what has left a queue. */
  countLeft(queue: number, done: number, failed: number): void {
    if (done === 0 && failed === 0) return;
    this.db.run(
      `INSERT INTO total (queue, done, failed) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET done = done + excluded.done,
           failed = failed + excluded.failed`,
      queue,
      done,
      failed,
    );
  }

  /** Takes so many numbers of the queue's order, and answers with the first. */
  numbers(queue: number, count: number): number {
    const last = this.db.value(
      "UPDATE queue SET seq = seq + ? WHERE id = ? RETURNING seq",
      count,
      queue,
    ) as number;
    return last - count + 1;
  }

  /** Puts jobs at the end of ready. */
  push(queue: number, messages: readonly string[]): void {
    if (messages.length === 0) return;
    const first = this.numbers(queue, messages.length);
    const json = JSON.stringify(messages);
    if (json.includes("\\u0000")) {
      messages.forEach((message, index) =>
        this.db.run(
          "INSERT INTO waiting (queue, state, seq, message) VALUES (?, ?, ?, ?)",
          queue,
          READY,
          first + index,
          stored(message),
        )
      );
    } else {
      this.db.run(
        `INSERT INTO waiting (queue, state, seq, message)
           SELECT ?, ?, ? + key, value FROM json_each(?)`,
        queue,
        READY,
        first,
        json,
      );
    }
    this.count(queue, { ready: messages.length });
    this.announce();
  }

  /** Lets jobs wait for their time. */
  postpone(queue: number, kind: number, jobs: readonly DueJob[]): void {
    if (jobs.length === 0) return;
    const first = this.numbers(queue, jobs.length);
    jobs.forEach(({ atMs, message }, index) =>
      this.db.run(
        "INSERT INTO due (queue, kind, at, seq, message) VALUES (?, ?, ?, ?, ?)",
        queue,
        kind,
        Math.round(atMs),
        first + index,
        stored(message),
      )
    );
    const count = jobs.length;
    this.count(
      queue,
      kind === SCHEDULED ? { scheduled: count } : { retry: count },
    );
  }

  /** Adds an entry to the failed set. */
  fail(queue: number, entry: string): void {
    this.db.run(
      "INSERT INTO failed (queue, at, entry) VALUES (?, ?, ?)",
      queue,
      this.now(),
      stored(entry),
    );
  }

  /**
   * Notes that a message is put back because nobody can read it yet; whether
   * that was first done so long ago.
   */
  wasPutBack(queue: number, message: string, afterMs: number): boolean {
    // No idempotency key has a colon.
    const key = `put back:${message}`;
    const now = this.now();
    const since = this.db.value(
      `INSERT INTO once (queue, key, job, until) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET until = excluded.until RETURNING job`,
      queue,
      key,
      String(now),
      now + 2 * afterMs,
    );
    return now - Number(since) >= afterMs;
  }

  /** The job that has a key for some time, if any. */
  keyHolder(queue: number, key: string, now: number): string | undefined {
    return this.db.value(
      "SELECT job FROM once WHERE queue = ? AND key = ? AND until > ?",
      queue,
      key,
      now,
    ) as string | undefined;
  }

  /** Gives a key to a job until some moment. */
  noteKey(queue: number, key: string, job: string, untilMs: number): void {
    this.db.run(
      "INSERT OR REPLACE INTO once (queue, key, job, until) VALUES (?, ?, ?, ?)",
      queue,
      key,
      job,
      untilMs,
    );
  }

  /** Removes the oldest entries of the failed set above its limits. */
  trimFailed(queue: number): void {
    const count = this.db.value(
      "SELECT count(*) FROM failed WHERE queue = ?",
      queue,
    ) as number;
    this.db.run(
      `DELETE FROM failed WHERE seq IN
         (SELECT seq FROM failed WHERE queue = ? ORDER BY at, seq LIMIT ?)`,
      queue,
      Math.max(0, count - this.limits.failed),
    );
    this.db.run(
      "DELETE FROM failed WHERE queue = ? AND at <= ?",
      queue,
      this.now() - this.limits.failedAgeMs,
    );
  }
}

/** The error for a worker without a place. */
export function fenced(worker: string): FencedError {
  return new FencedError(`The lease of worker ${worker} has lapsed`);
}
