import { sleep } from "../../time/sleep.ts";
import { WrongTypeError } from "../broker.ts";
import type { Connection } from "./connection.ts";
import { ReplyError } from "./errors.ts";
import type { QueueKeys } from "./keys.ts";
import { explain } from "./scripts.ts";

/** How long the server lets one wait block. */
export const BLOCK_SECONDS = 5;
/** A full server refuses to let anyone wait: then a look each second. */
const LOOK_EVERY_MS = 1000;

/** What a line needs of the broker around it. */
export interface LineParts {
  readonly keys: QueueKeys;
  readonly connection: Connection;
  /** Puts a job of the inbox back, which wakes the next worker. */
  readonly pass: () => Promise<void>;
}

/** Hears once that its queue may have jobs, or that it should look, or why not. */
export interface LineWaiter {
  woken(queue: string): void;
  timedOut(): void;
  failed(error: Error): void;
}

/**
 * Everyone who waits for one queue, behind one blocking command.
 *
 * Who stops waiting leaves the command open, so that the next wait costs
 * nothing. If it is served while nobody waits, the job is handed on at once;
 * nobody owns what is in the inbox, so none is lost with this process.
 */
export class QueueLine implements AsyncDisposable {
  readonly #parts: LineParts;
  readonly #waiters = new Set<LineWaiter>();
  readonly #closing = new AbortController();
  #running = false;

  constructor(parts: LineParts) {
    this.#parts = parts;
  }

  /** Waits until {@linkcode leave}, or until `waiter` hears something. */
  join(waiter: LineWaiter): void {
    this.#waiters.add(waiter);
    if (!this.#running) void this.#run();
  }

  leave(waiter: LineWaiter): void {
    this.#waiters.delete(waiter);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    for (const waiter of this.#all()) waiter.timedOut();
    await this.#parts.connection[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    const { keys } = this.#parts;
    this.#running = true;
    while (this.#waiters.size > 0) {
      try {
        if (await this.#block()) await this.#served();
        else for (const waiter of this.#all()) waiter.timedOut();
      } catch (error) {
        for (const waiter of this.#all()) {
          // The queue's own commands say best what is wrong with its keys.
          if (error instanceof WrongTypeError) waiter.woken(keys.queue);
          else waiter.failed(error as Error);
        }
      }
    }
    this.#running = false;
  }

  /** `true`: a job was moved, or may be there. */
  async #block(): Promise<boolean> {
    const { connection, keys } = this.#parts;
    try {
      const moved = await connection.call(keys.ready, [
        "BLMOVE",
        keys.ready,
        keys.inbox,
        "LEFT",
        "RIGHT",
        String(BLOCK_SECONDS),
      ]);
      return moved !== null;
    } catch (error) {
      if (error instanceof ReplyError && error.code === "OOM") {
        await sleep(LOOK_EVERY_MS, this.#closing.signal);
        return true;
      }
      throw await explain(connection, error, "wait for jobs", [
        keys.ready,
        keys.inbox,
      ]);
    }
  }

  async #served(): Promise<void> {
    const [first] = this.#waiters;
    if (first === undefined) {
      // Should this fail, the reaper puts it back within a tick.
      await this.#parts.pass().catch(() => {});
      return;
    }
    this.#waiters.delete(first);
    first.woken(this.#parts.keys.queue);
  }

  #all(): LineWaiter[] {
    const all = [...this.#waiters];
    this.#waiters.clear();
    return all;
  }
}
