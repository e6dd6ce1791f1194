import {
  type Batch,
  type Broker,
  BrokerUnavailableError,
  FencedError,
  MismatchError,
  type Settlement,
  type WakeRequest,
} from "../broker/broker.ts";
import { brokerLog } from "../log.ts";
import { backoffMs } from "../time/backoff.ts";
import { sleep } from "../time/sleep.ts";
import { Complaint } from "./complaint.ts";
import type { Flight } from "./flight.ts";

/** A queue of which a command is repeated is asked again after so long. */
const REPEATING_MS = 250;

/** One job of a flight and how it ends. */
export interface Ending {
  readonly flight: Flight;
  readonly index: number;
  readonly settlement: Settlement;
}

/** What a reserve brought. */
export interface Reserved {
  readonly flight?: Flight;
  /** How many wait; nothing: nobody knows. */
  readonly suspects?: number;
  /** Jobs wait, but none may be had now: ask again after so long. */
  readonly blockedMs?: number;
  /** Some wait for a rate: ask again after so long, whatever comes before. */
  readonly againMs?: number;
}

/** The same, of which a wake-up has brought some. */
export interface Arrived extends Reserved {
  readonly flight: Flight;
  readonly suspects: number;
}

/** What a worker has of one queue, and the commands that change it. */
export interface Holdings {
  readonly queue: string;
  /** Jobs that the broker holds for this worker. */
  readonly held: number;
  /** Commands were sent that are not answered. */
  readonly unanswered: boolean;
  /**
   * Moves waiting jobs to this worker; `adopt` makes a flight of the batch
   * before another command is sent.
   */
  reserve(
    request: { limit: number; bytes: number; idle: boolean },
    adopt: (batch: Batch) => Flight,
  ): Promise<Reserved>;
  /**
   * The same, to be done when the broker wakes this worker; nothing: it can't
   * be done then. A flight that has arrived `stale` must be handed back.
   */
  reserveOnWake(
    request: { limit: number; bytes: number },
    adopt: (batch: Batch) => Flight,
    arrived: (reserved: Arrived, stale: boolean) => void,
  ): WakeRequest | undefined;
  /** Ends jobs; resolves when the broker has answered. */
  settle(endings: readonly Ending[]): Promise<void>;
  /** Hands jobs back; resolves when the broker has answered. */
  release(flight: Flight, indices: readonly number[]): Promise<void>;
  /** Says that a suspect is about to start. */
  begin(flight: Flight): Promise<void>;
  /** The broker disagrees on how much is held: makes both sides agree. */
  disagree(): Promise<void>;
}

/**
 * What this worker holds in one queue, by its own account, and the commands
 * that change it.
 *
 * A settle, release or begin whose answer is in doubt is repeated, with the
 * same tokens, until it is answered or fenced. After any doubt the two sides
 * are made to agree before anything is reserved again.
 */
export class LeasedHoldings implements Holdings {
  readonly queue: string;
  readonly #broker: Broker;
  readonly #worker: string;
  readonly #ending: AbortSignal;
  readonly #pause: typeof sleep;
  readonly #flights = new Set<Flight>();
  #doubt = false;
  #reconciled = 0;
  #agreeing: Promise<void> | undefined;
  #reserving = 0;
  #beginning = 0;
  #repeating = 0;
  readonly #complaint = new Complaint();

  /**
   * @param ending Aborts when the process ends and nothing is repeated any more.
   * @param pause Waits before a command is repeated; a test needs no real time.
   */
  constructor(
    broker: Broker,
    worker: string,
    queue: string,
    ending: AbortSignal,
    pause: typeof sleep = sleep,
  ) {
    this.#broker = broker;
    this.#worker = worker;
    this.queue = queue;
    this.#ending = ending;
    this.#pause = pause;
  }

  get held(): number {
    let held = 0;
    for (const flight of this.#flights) held += flight.unsettled;
    return held;
  }

  get unanswered(): boolean {
    for (const flight of this.#flights) if (flight.leaving > 0) return true;
    return this.#reserving + this.#beginning + this.#repeating > 0;
  }

  async reserve(
    request: { limit: number; bytes: number; idle: boolean },
    adopt: (batch: Batch) => Flight,
  ): Promise<Reserved> {
    if (this.#doubt) {
      // As long as one is repeated, nobody knows; other queues can be served.
      if (this.#repeating > 0) return { blockedMs: REPEATING_MS };
      await this.#agree();
    }
    let known = 0;
    for (const flight of this.#flights) {
      known += flight.unsettled - flight.leaving;
    }
    this.#reserving++;
    try {
      const batch = await this.#broker.reserve(this.#worker, this.queue, {
        ...request,
        known,
      });
      const { suspects, blockedMs, againMs } = batch;
      if (batch.tokens.length === 0) return { suspects, blockedMs, againMs };
      const flight = adopt(batch);
      this.#flights.add(flight);
      return { flight, suspects, againMs };
    } catch (error) {
      if (
        error instanceof BrokerUnavailableError ||
        error instanceof MismatchError
      ) this.#doubt = true;
      throw error;
    } finally {
      this.#reserving--;
    }
  }

  reserveOnWake(
    request: { limit: number; bytes: number },
    adopt: (batch: Batch) => Flight,
    arrived: (reserved: Arrived, stale: boolean) => void,
  ): WakeRequest | undefined {
    if (this.#doubt) return;
    const reconciled = this.#reconciled;
    return {
      ...request,
      idle: false,
      reserved: (batch) => {
        const flight = adopt(batch);
        this.#flights.add(flight);
        // A reconcile in between did not know of it, and may have put it back.
        const stale = this.#reconciled !== reconciled;
        const { suspects, againMs } = batch;
        arrived({ flight, suspects, againMs }, stale);
      },
    };
  }

  async settle(endings: readonly Ending[]): Promise<void> {
    const sent = endings.filter(({ flight, index }) => flight.leave(index));
    if (sent.length === 0) return;
    const settlements = sent.map(({ settlement }) => settlement);
    const settled = await this.#untilAnswered(
      () => this.#broker.settle(this.#worker, this.queue, settlements),
    );
    if (settled < sent.length) {
      brokerLog.debug("{count} of {all} jobs were not held any more", {
        count: sent.length - settled,
        all: sent.length,
      });
    }
    for (const { flight, index } of sent) this.#gone(flight, index);
  }

  async release(flight: Flight, indices: readonly number[]): Promise<void> {
    const sent = indices.filter((index) => flight.leave(index));
    if (sent.length === 0) return;
    const tokens = sent.map((index) => flight.tokens[index]);
    await this.#untilAnswered(
      () => this.#broker.release(this.#worker, this.queue, tokens),
    );
    for (const index of sent) this.#gone(flight, index);
  }

  async begin(flight: Flight): Promise<void> {
    this.#beginning++;
    try {
      flight.tokens[0] = await this.#untilAnswered(
        () => this.#broker.begin(this.#worker, this.queue, flight.tokens[0]),
      );
    } finally {
      this.#beginning--;
    }
  }

  async disagree(): Promise<void> {
    this.#doubt = true;
    // What a command under way changes is not known yet: before the next reserve.
    if (!this.unanswered) await this.#agree();
  }

  /** Makes both sides agree. */
  async #agree(): Promise<void> {
    this.#agreeing ??= this.#reconcile().finally(() =>
      this.#agreeing = undefined
    );
    await this.#agreeing;
  }

  async #reconcile(): Promise<void> {
    const tokens: string[] = [];
    for (const flight of this.#flights) tokens.push(...flight.heldTokens());
    this.#reconciled++;
    const gone = new Set(
      await this.#broker.reconcile(this.#worker, this.queue, tokens),
    );
    this.#doubt = this.#repeating > 0;
    if (gone.size === 0) return;
    for (const flight of this.#flights) {
      flight.tokens.forEach((token, index) => {
        if (!gone.has(token) || !flight.holds(index)) return;
        flight.takeBackOne(index);
        this.#gone(flight, index);
      });
    }
  }

  async #untilAnswered<T>(command: () => Promise<T>): Promise<T> {
    for (let tries = 0;; tries++) {
      try {
        const answer = await command();
        if (tries > 0) this.#repeating--;
        return answer;
      } catch (error) {
        if (error instanceof FencedError || this.#ending.aborted) {
          if (tries > 0) this.#repeating--;
          throw error;
        }
        if (tries === 0) this.#repeating++;
        this.#doubt = true;
        this.#complain(error as Error);
        const later = error instanceof BrokerUnavailableError
          ? backoffMs(tries, { minMs: 50, maxMs: 2_000 })
          : 1_000;
        await this.#pause(later, this.#ending);
      }
    }
  }

  #gone(flight: Flight, index: number): void {
    flight.gone(index);
    if (flight.unsettled === 0) this.#flights.delete(flight);
  }

  #complain(error: Error): void {
    if (!this.#complaint.due(error)) return;
    brokerLog.warn("Cannot settle jobs of queue {queue}, trying on: {error}", {
      queue: this.queue,
      error: error.message,
    });
  }
}
