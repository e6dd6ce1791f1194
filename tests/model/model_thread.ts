import { failAttempt, failUndecodable } from "../../src/job/attempt.ts";
import { decodeMessage } from "../../src/job/message.ts";
import { encodeOutcome } from "../../src/job/outcome.ts";
import { type Ended, Slot } from "../../src/thread/protocol.ts";
import type { Flight } from "../../src/worker/flight.ts";
import { type Ledger, Violation } from "./ledger.ts";
import { placeOf } from "./mutations.ts";

const CONCURRENCY = 4;

/** What the job thread has around it. */
export interface ThreadSurroundings {
  readonly ledger: Ledger;
  nowMs(): number;
  trace(text: string): void;
}

/** One job of a flight. */
export interface Place {
  readonly flight: Flight;
  readonly index: number;
}

/** The job thread of a worker: starts jobs in their order, and ends them. */
export class ModelThread {
  /** Suspects that are about to be handed over. */
  beginning = 0;
  /** Tokens of jobs that must not start now; see amendment F4. */
  readonly blocked = new Set<string>();
  readonly #worker: string;
  readonly #fast: boolean;
  readonly #around: ThreadSurroundings;
  readonly #flights = new Set<Flight>();
  readonly #startedAtMs = new Map<string, number>();

  constructor(
    worker: string,
    around: ThreadSurroundings,
    { fast }: { readonly fast: boolean },
  ) {
    this.#worker = worker;
    this.#around = around;
    this.#fast = fast;
  }

  get flights(): Flight[] {
    return [...this.#flights];
  }

  add(flight: Flight): void {
    this.#flights.add(flight);
  }

  /** Drops a flight of which nothing is left. */
  forget(flight: Flight): void {
    if (flight.unended === 0) this.#flights.delete(flight);
  }

  /** Jobs that have not started, and those that have and did not end. */
  count(): { waiting: number; started: number } {
    let waiting = 0;
    let unended = this.beginning;
    for (const flight of this.#flights) {
      waiting += flight.count().waiting;
      unended += flight.unended;
    }
    return { waiting, started: unended - waiting };
  }

  /** A suspect is here: nothing may run beside it. */
  get runsAlone(): boolean {
    return this.beginning > 0 ||
      this.flights.some(({ kind }) => kind === "suspect");
  }

  /** The job that starts next. */
  nextWaiting(): Place | undefined {
    if (this.count().started >= CONCURRENCY) return undefined;
    for (const flight of this.#flights) {
      for (let index = 0; index < flight.messages.length; index++) {
        if (
          flight.slot(index) === Slot.waiting &&
          !this.blocked.has(placeOf(flight, index))
        ) return { flight, index };
      }
    }
  }

  /** Jobs that run and may end now. */
  ending(): Place[] {
    const { ledger, nowMs } = this.#around;
    return this.flights.flatMap((flight) =>
      flight.started().filter((index) => {
        const { runsMs } = ledger.of(flight.messages[index]);
        const since = this.#startedAtMs.get(`${flight.number} ${index}`)!;
        return nowMs() - since >= runsMs;
      }).map((index) => ({ flight, index }))
    );
  }

  /** Messages of all jobs that have neither ended nor been taken back. */
  unended(): string[] {
    return this.flights.flatMap((flight) =>
      flight.messages.filter((_, index) =>
        flight.slot(index) === Slot.waiting ||
        flight.slot(index) === Slot.running
      )
    );
  }

  start(flight: Flight, index: number): void {
    const { label } = this.#around.ledger.of(flight.messages[index]);
    this.#around.trace(
      `${this.#worker} starts ${label} (${flight.tokens[index]})`,
    );
    setSlot(flight, index, Slot.running);
    this.#startedAtMs.set(`${flight.number} ${index}`, this.#around.nowMs());
    if (flight.kind === "suspect" && this.count().started > 1) {
      throw new Violation(`${this.#worker} runs a suspect beside other jobs`);
    }
  }

  /** Ends a job that runs as its kind says; `undefined`: it killed the process. */
  end(flight: Flight, index: number): Ended | undefined {
    const text = flight.messages[index];
    const { kind, label } = this.#around.ledger.of(text);
    if (kind === "poison") {
      this.#killedBy(text);
      return undefined;
    }
    const ended = this.#outcome(text, index);
    this.#around.trace(`${this.#worker} ends ${label}: ${ended.kind}`);
    this.interrupt(flight, index);
    return ended;
  }

  /** A job that runs does so no more. */
  interrupt(flight: Flight, index: number): void {
    setSlot(flight, index, Slot.ended);
    flight.ended(index);
  }

  #outcome(text: string, index: number): Ended {
    const { kind, label, failures } = this.#around.ledger.of(text);
    const error = { name: "Error", message: `${label} fails` };
    if (kind === "garbage") {
      return { index, ...failUndecodable(text, error), error } as Ended;
    }
    const message = decodeMessage(text);
    const fails = kind === "failing" ||
      kind === "flaky" && message.attempt <= failures;
    if (fails) {
      return {
        index,
        ...failAttempt(text, message, error, { final: this.#fast }),
        error,
      } as Ended;
    }
    const outcome = encodeOutcome({ kind: "done", json: `"ok ${label}"` });
    return message.id === undefined
      ? { index, kind: "done" }
      : { index, kind: "done", id: message.id, outcome };
  }

  #killedBy(text: string): void {
    const account = this.#around.ledger.of(text);
    const { waiting, started } = this.count();
    account.killed++;
    this.#around.trace(`${account.label} kills ${this.#worker}`);
    // A fast worker does not ask how a job came to where it waits.
    if (this.#fast || waiting + started === 1) return;
    if (decodeMessage(text).attempt === 1) return;
    throw new Violation(
      `${account.label} was charged before, and took ` +
        `${waiting + started - 1} neighbours with it again`,
    );
  }
}

function setSlot(flight: Flight, index: number, state: number): void {
  Atomics.store(new Int32Array(flight.buffer), index, state);
}
