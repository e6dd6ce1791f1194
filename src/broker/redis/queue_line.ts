import { sleep } from "../../time/sleep.ts";
import {
  type Batch,
  type ReserveOnWake,
  type ReserveRequest,
  WrongTypeError,
} from "../broker.ts";
import type { Connection } from "./connection.ts";
import { ReplyError } from "./errors.ts";
import type { QueueKeys } from "./keys.ts";
import { explain } from "./scripts.ts";

/**
 * How long the server lets one wait block: well below the half of a lease, as
 * the lease on what is reserved on a wake-up counts from before it was sent.
 */
export const BLOCK_SECONDS = 2;
/** A full server refuses to let anyone wait: then a look each second. */
const LOOK_EVERY_MS = 1000;

/** What a line needs of the broker around it. */
export interface LineParts {
  readonly keys: QueueKeys;
  readonly connection: Connection;
  /** Puts a job of the inbox back, which wakes the next worker. */
  readonly pass: () => Promise<void>;
  /** Reserves, by a command on `connection`. */
  readonly reserve: (
    worker: string,
    request: ReserveRequest,
  ) => Promise<Batch>;
}

/** Hears once that its queue may have jobs, or that it should look, or why not. */
export interface LineWaiter {
  readonly onWake?: ReserveOnWake;
  woken(queue: string): void;
  timedOut(): void;
  failed(error: Error): void;
}

/**
 * Everyone who waits for one queue, behind one blocking command.
 *
 * The server reads the next command of a connection as soon as the blocking one
 * is served. So a reserve is sent right behind it: the job that wakes a worker
 * comes with the wake-up.
 *
 * Who stops waiting leaves the commands open, so that the next wait costs
 * nothing. If they are served while nobody waits, the job is handed on at once;
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
        const news = await this.#block();
        if (news === "moved") await this.#served();
        else if (news === "nothing") {
          for (const waiter of this.#all()) waiter.timedOut();
        }
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

  /** `moved`: a job is in the inbox, or may be; `reserved`: it was there. */
  async #block(): Promise<"moved" | "reserved" | "nothing"> {
    const moved = this.#move();
    const reserved = this.#reserve();
    // What failed there, the worker's own reserve meets and explains.
    const ends = await Promise.allSettled([moved, reserved]);
    if (ends[1].status === "fulfilled" && ends[1].value) return "reserved";
    return await moved ? "moved" : "nothing";
  }

  async #move(): Promise<boolean> {
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

  /** Reserves for the first who waits, if that is wanted. */
  async #reserve(): Promise<boolean> {
    const { keys, reserve } = this.#parts;
    const [first] = this.#waiters;
    const request = first?.onWake?.request(keys.queue);
    if (request === undefined) return false;
    const batch = await reserve(first.onWake!.worker, request);
    if (batch.tokens.length === 0) return false;
    request.reserved(batch);
    return true;
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
