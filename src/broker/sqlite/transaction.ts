import { setImmediate } from "node:timers/promises";
import { BrokerError } from "../../errors.ts";
import { sleep } from "../../time/sleep.ts";
import type { Database } from "./database.ts";
import { isLocked, isSqliteError, toBrokerError } from "./errors.ts";

/** A call that has not got the file for so long is given up. */
const LOCKED_MS = 5000;
/** No further call joins a transaction after so long: others wait as well. */
const FULL_AFTER_MS = 4;
/** Others wait for the file if they had it so recently when we wanted it. */
const CONTENDED_MS = 100;

/**
 * What a commit waits for, in SQLite's words. `FULL`: the disk; it outlives a
 * power failure. `NORMAL`: only the system; it outlives the death of this
 * program. A power failure may undo it, with all that was committed later and
 * before the next `FULL`.
 */
type Synchronous = "FULL" | "NORMAL";

/** Something to do in a transaction. */
interface Call {
  readonly attempted: string;
  readonly synchronous: Synchronous;
  readonly step: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly sinceMs: number;
  /** It is tried again, in a transaction of its own. */
  alone: boolean;
}

type Ended = { readonly value: unknown } | { readonly error: unknown };

/**
 * The transactions of one connection. Calls that are made while one waits for
 * its turn are done in one transaction together, because a commit costs as
 * much for many as for one; a call that fails does not spoil the others. SQLite
 * blocks the thread while it waits for a lock, so it never waits: we do.
 */
export class Transactions implements AsyncDisposable {
  readonly #db: Database;
  readonly #path: string;
  readonly #committed: () => void;
  readonly #lockedMs: number;
  #waiting: Call[] = [];
  #running: Promise<void> | undefined;
  #contendedMs = -Infinity;
  #synchronous: Synchronous | undefined;
  #closed = false;

  /** @param committed Is called after each commit, before callers are answered. */
  constructor(
    db: Database,
    path: string,
    committed: () => void,
    lockedMs = LOCKED_MS,
  ) {
    this.#db = db;
    this.#path = path;
    this.#committed = committed;
    this.#lockedMs = lockedMs;
  }

  /** Whether no call of {@linkcode write} is under way. */
  get idle(): boolean {
    return this.#running === undefined;
  }

  /**
   * Runs `step` in a write transaction, in the order of the calls. It may run
   * twice, and what it throws undoes what it wrote. Of calls that are done
   * together, one that is `FULL` makes all of them so.
   *
   * @throws {BrokerUnavailableError} If others keep the file for 5 seconds.
   * @throws {BrokerError} If SQLite refuses: nothing is written.
   */
  write<T>(
    attempted: string,
    step: () => T,
    synchronous: Synchronous = "FULL",
  ): Promise<T> {
    if (this.#closed) return Promise.reject(this.#closedError(attempted));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({
        attempted,
        synchronous,
        step,
        resolve: resolve as (value: unknown) => void,
        reject,
        sinceMs: performance.now(),
        alone: false,
      });
      this.#running ??= this.#run();
    });
  }

  /**
   * Runs `step`, which only reads, on one state of the file.
   *
   * @throws As {@linkcode write}.
   */
  async read<T>(attempted: string, step: () => T): Promise<T> {
    const end = performance.now() + this.#lockedMs;
    for (;;) {
      if (this.#closed) throw this.#closedError(attempted);
      try {
        this.#db.exec("BEGIN");
        try {
          return step();
        } finally {
          this.#db.exec("COMMIT");
        }
      } catch (error) {
        if (!isLocked(error) || performance.now() > end) {
          throw toBrokerError(error, attempted, this.#path);
        }
      }
      await sleep(1 + Math.random());
    }
  }

  /** Lets what was called end; refuses what comes later. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      // Callers that were just answered may have something to add.
      await setImmediate();
      if (this.#waiting.length === 0) break;
      if (performance.now() - this.#contendedMs < CONTENDED_MS) await sleep(1);
      try {
        this.#begin();
      } catch (error) {
        if (isLocked(error)) {
          this.#contendedMs = performance.now();
          this.#giveUpLate(error);
          await sleep(0.5 + Math.random() * 1.5);
        } else this.#rejectAll(error);
        continue;
      }
      this.#together();
    }
    this.#running = undefined;
  }

  #begin(): void {
    // Within a transaction it can't be changed any more.
    const synchronous =
      this.#waiting.some((call) => call.synchronous === "FULL")
        ? "FULL"
        : "NORMAL";
    if (synchronous !== this.#synchronous) {
      this.#db.exec(`PRAGMA synchronous = ${synchronous}`);
      this.#synchronous = synchronous;
    }
    this.#db.exec("BEGIN IMMEDIATE");
  }

  /** Does waiting calls in the open transaction, and ends it. */
  #together(): void {
    const startedMs = performance.now();
    const group: Call[] = [];
    const ended: Ended[] = [];
    try {
      do {
        const call = this.#waiting.shift()!;
        group.push(call);
        ended.push(this.#one(call));
      } while (
        this.#waiting.length > 0 && !group[0].alone &&
        performance.now() - startedMs < FULL_AFTER_MS
      );
      this.#db.exec("COMMIT");
    } catch (error) {
      this.#undo(group, error);
      return;
    }
    this.#committed();
    group.forEach((call, index) => {
      const end = ended[index];
      if ("error" in end) call.reject(end.error);
      else call.resolve(end.value);
    });
  }

  #one(call: Call): Ended {
    this.#db.exec("SAVEPOINT call");
    try {
      const value = call.step();
      this.#db.exec("RELEASE call");
      return { value };
    } catch (error) {
      // The transaction may be gone: nothing of it counts.
      if (isSqliteError(error)) throw error;
      this.#db.exec("ROLLBACK TO call; RELEASE call");
      return { error };
    }
  }

  /** Nothing was written; of several calls each gets another chance, alone. */
  #undo(group: Call[], error: unknown): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch {
      // SQLite has done it already.
    }
    if (group.length === 1) {
      const [{ attempted, reject }] = group;
      reject(toBrokerError(error, attempted, this.#path));
      return;
    }
    for (const call of group) call.alone = true;
    this.#waiting.unshift(...group);
  }

  #giveUpLate(error: unknown): void {
    const latest = performance.now() - this.#lockedMs;
    while (this.#waiting.length > 0 && this.#waiting[0].sinceMs < latest) {
      const { attempted, reject } = this.#waiting.shift()!;
      reject(toBrokerError(error, attempted, this.#path));
    }
  }

  #rejectAll(error: unknown): void {
    for (const { attempted, reject } of this.#waiting.splice(0)) {
      reject(toBrokerError(error, attempted, this.#path));
    }
  }

  #closedError(attempted: string): BrokerError {
    return new BrokerError(`Cannot ${attempted}: ${this.#path} is closed`);
  }
}
