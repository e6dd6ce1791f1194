/**
 * Waiting for jobs. Up to 8 queues: one blocking command for each, on a
 * connection of its own, and one push wakes one worker. More: one connection
 * hears of all of them.
 *
 * @module
 */
import type { ReserveOnWake } from "../broker.ts";
import type { Limits } from "../limits.ts";
import type { Connection, ConnectionOptions } from "./connection.ts";
import type { QueueKeys } from "./keys.ts";
import { BLOCK_SECONDS, type LineWaiter, QueueLine } from "./queue_line.ts";
import { reserve } from "./reserve.ts";
import type { ScriptRunner } from "./scripts.ts";
import { QueueTracking } from "./tracking.ts";

const MOST_LINES = 8;
/** How much later than promised the server may end a blocking command. */
const LATE_MS = 3000;

/** What waiting needs of the broker around it. */
export interface WaitingParts {
  readonly connect: (own: Omit<ConnectionOptions, "url">) => Connection;
  /** How many keys of queues one command may name. */
  readonly keysAtOnce: number;
  readonly pass: (queue: string) => Promise<void>;
  readonly runnerOf: (connection: Connection) => ScriptRunner;
  readonly limits: Limits;
}

/** All connections on which a broker waits; opened when they are needed. */
export class Waiting implements AsyncDisposable {
  readonly #parts: WaitingParts;
  readonly #lines = new Map<string, QueueLine>();
  #tracking: QueueTracking | undefined;

  constructor(parts: WaitingParts) {
    this.#parts = parts;
  }

  /** See `Broker.wait`. */
  async wait(
    queues: readonly QueueKeys[],
    signal: AbortSignal,
    onWake?: ReserveOnWake,
  ): Promise<string[]> {
    if (queues.length <= MOST_LINES) {
      const lines = queues.map((keys) => this.#line(keys));
      return await waitOnLines(lines, signal, onWake);
    }
    this.#tracking ??= new QueueTracking(
      (own) => this.#parts.connect(own),
      this.#parts.keysAtOnce,
    );
    return await this.#tracking.wait(queues, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.#lines.values()) await line[Symbol.asyncDispose]();
    await this.#tracking?.[Symbol.asyncDispose]();
  }

  #line(keys: QueueKeys): QueueLine {
    let line = this.#lines.get(keys.queue);
    if (line === undefined) {
      const { connect, pass, runnerOf, limits } = this.#parts;
      const connection = connect({
        deadlineMs: BLOCK_SECONDS * 1000 + LATE_MS,
      });
      line = new QueueLine({
        keys,
        connection,
        pass: () => pass(keys.queue),
        reserve: (worker, request) =>
          reserve(runnerOf(connection), limits, worker, keys, request),
      });
      this.#lines.set(keys.queue, line);
    }
    return line;
  }
}

/** Waits on several lines until the first one has news. */
function waitOnLines(
  lines: readonly QueueLine[],
  signal: AbortSignal,
  onWake: ReserveOnWake | undefined,
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve([]);
    const end = () => {
      signal.removeEventListener("abort", abort);
      for (const line of lines) line.leave(waiter);
    };
    const abort = () => {
      end();
      resolve([]);
    };
    const waiter: LineWaiter = {
      onWake,
      woken(queue) {
        end();
        resolve([queue]);
      },
      timedOut: abort,
      failed(error) {
        end();
        reject(error);
      },
    };
    signal.addEventListener("abort", abort);
    for (const line of lines) line.join(waiter);
  });
}
