/**
 * Waiting for jobs. Up to 8 queues: one blocking command for each, on a
 * connection of its own, and one push wakes one worker. More: one connection
 * hears of all of them.
 *
 * @module
 */
import type { ConnectionOptions, ServerConnection } from "./connection.ts";
import type { QueueKeys } from "./keys.ts";
import { BLOCK_SECONDS, type LineWaiter, QueueLine } from "./queue_line.ts";
import { QueueTracking } from "./tracking.ts";

const MOST_LINES = 8;
/** How much later than promised the server may end a blocking command. */
const LATE_MS = 3000;

/** What waiting needs of the broker around it. */
export interface WaitingParts {
  readonly connect: (own: Omit<ConnectionOptions, "url">) => ServerConnection;
  readonly pass: (queue: string) => Promise<void>;
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
  ): Promise<string[]> {
    if (queues.length <= MOST_LINES) {
      return await waitOnLines(queues.map((keys) => this.#line(keys)), signal);
    }
    this.#tracking ??= new QueueTracking((own) => this.#parts.connect(own));
    return await this.#tracking.wait(queues, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.#lines.values()) await line[Symbol.asyncDispose]();
    await this.#tracking?.[Symbol.asyncDispose]();
  }

  #line(keys: QueueKeys): QueueLine {
    let line = this.#lines.get(keys.queue);
    if (line === undefined) {
      line = new QueueLine({
        keys,
        connection: this.#parts.connect({
          deadlineMs: BLOCK_SECONDS * 1000 + LATE_MS,
        }),
        pass: () => this.#parts.pass(keys.queue),
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
