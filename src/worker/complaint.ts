import { BrokerUnavailableError } from "../broker/broker.ts";

/** A line a minute says that the broker is away. */
const EVERY_MS = 60_000;

/**
 * When to say that a command failed, again and again. A connection that is lost
 * is opened anew at once: only if that fails too there is something to say, and
 * then also why, as that a password is wrong.
 */
export class Complaint {
  #metAtMs = -Infinity;
  #saidAtMs = -Infinity;

  /** Whether this failure is to be said; to be asked for each of them. */
  due(error: unknown, nowMs: number = performance.now()): boolean {
    const alone = nowMs - this.#metAtMs >= EVERY_MS;
    this.#metAtMs = nowMs;
    if (alone && error instanceof BrokerUnavailableError) return false;
    if (nowMs - this.#saidAtMs < EVERY_MS) return false;
    this.#saidAtMs = nowMs;
    return true;
  }
}
