import {
  BrokerUnavailableError,
  FencedError,
  MismatchError,
} from "../../src/broker/broker.ts";
import type { Holdings } from "../../src/worker/holdings.ts";
import { Violation } from "./ledger.ts";
import { overriding } from "./overriding.ts";

/** What a worker hears in an ordinary life. */
const EXPECTED = [BrokerUnavailableError, FencedError, MismatchError];

/**
 * Watches one worker ask its queues: in their order, once each, no more than
 * is left of the limit, and nothing at all while a suspect runs.
 */
export class RoundCheck {
  readonly #worker: string;
  readonly #runsAlone: () => boolean;
  readonly #found: (error: Error) => void;
  #order: readonly string[] = [];
  #last = -1;
  #left = 0;

  constructor(
    worker: string,
    runsAlone: () => boolean,
    found: (error: Error) => void,
  ) {
    this.#worker = worker;
    this.#runsAlone = runsAlone;
    this.#found = found;
  }

  /** A new round begins, with the queues in this order. */
  begin(limit: number, order: readonly string[]): void {
    this.#order = order;
    this.#last = -1;
    this.#left = limit;
  }

  /** Holdings whose reserves are watched. */
  over(holdings: Holdings): Holdings {
    return overriding(holdings, {
      reserve: async (request, adopt) => {
        const place = this.#order.indexOf(holdings.queue);
        this.#asks(place, request.limit);
        try {
          const answer = await holdings.reserve(request, adopt);
          this.#left -= answer.flight?.messages.length ?? 0;
          return answer;
        } catch (error) {
          // The intake tries again, whatever it is.
          if (!EXPECTED.some((one) => error instanceof one)) {
            this.#found(error as Error);
          }
          throw error;
        }
      },
    });
  }

  #asks(place: number, limit: number): void {
    const wrong = place <= this.#last
      ? `after queue ${this.#last}, which comes later`
      : limit > this.#left
      ? `for ${limit} jobs, where ${this.#left} are left`
      : this.#runsAlone()
      ? "while a suspect runs"
      : undefined;
    this.#last = place;
    if (wrong === undefined) return;
    this.#found(
      new Violation(`${this.#worker} asks queue ${place} ${wrong}`),
    );
  }
}
