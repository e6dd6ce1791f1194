import {
  BrokerUnavailableError,
  FencedError,
  MismatchError,
  SchemaError,
  WrongTypeError,
} from "../broker/broker.ts";
import { brokerLog } from "../log.ts";
import { backoffMs } from "../time/backoff.ts";
import { Complaint } from "./complaint.ts";

const AWAY = { minMs: 50, maxMs: 2_000 };

/** What a worker does about some errors. */
export interface ReserveErrorEvents {
  /** The worker's lease has lapsed. */
  fenced(error: FencedError): void;
  /** No queue can be served any more. */
  useless(error: Error): void;
}

/** What follows from an error. */
export interface Consequence {
  /** All queues are asked anew after so long: what was known was wrong. */
  readonly anewMs?: number;
  /** This queue is left alone for so long, others are served. */
  readonly restMs?: number;
}

/** What follows from the errors that a worker meets when it reserves. */
export class ReserveErrors {
  readonly #queues: number;
  readonly #isSpread: boolean;
  readonly #events: ReserveErrorEvents;
  readonly #spoiled = new Set<string>();
  /** By queue: how often in a row. */
  readonly #failures = new Map<string, number>();
  /** How often in a row the one server was away. */
  #away = 0;
  readonly #complaint = new Complaint();

  /**
   * @param queues How many the worker serves.
   * @param isSpread As in `Broker`.
   */
  constructor(queues: number, isSpread: boolean, events: ReserveErrorEvents) {
    this.#queues = queues;
    this.#isSpread = isSpread;
    this.#events = events;
  }

  /** The broker has answered for a queue. */
  answered(queue: string): void {
    this.#away = 0;
    if (this.#failures.size > 0) this.#failures.delete(queue);
  }

  /** Tells of an error, and what follows. */
  met(queue: string, error: unknown, nowMs: number): Consequence {
    if (!(error instanceof Error)) throw error;
    if (error instanceof FencedError) {
      this.#events.fenced(error);
      return { anewMs: 1_000 };
    }
    if (error instanceof WrongTypeError || error instanceof SchemaError) {
      brokerLog.error("Queue {queue} is not served any more: {error}", {
        queue,
        error: error.message,
      });
      this.#spoiled.add(queue);
      if (this.#spoiled.size === this.#queues) this.#events.useless(error);
      return { restMs: Infinity };
    }
    const failures = this.#failures.get(queue) ?? 0;
    this.#failures.set(queue, failures + 1);
    // At once for a first one; it must not become a loop at full speed.
    if (error instanceof MismatchError) {
      return { anewMs: failures === 0 ? 0 : 100 };
    }
    if (this.#complaint.due(error, nowMs)) {
      brokerLog.warn("Cannot reserve from queue {queue}, trying on: {error}", {
        queue,
        error: error.message,
      });
    }
    if (!(error instanceof BrokerUnavailableError)) return { restMs: 1_000 };
    if (this.#isSpread) return { restMs: backoffMs(failures, AWAY) };
    return { anewMs: backoffMs(this.#away++, AWAY) };
  }

  /** Tells of an error that came of waiting; answers when to go on. */
  waited(queue: string, error: unknown, nowMs: number): number {
    // If a queue is at fault, its next reserve says so.
    const isQueue = error instanceof WrongTypeError ||
      error instanceof SchemaError;
    if (isQueue) return 1_000;
    const { anewMs, restMs } = this.met(queue, error, nowMs);
    return anewMs ?? restMs ?? 0;
  }
}
