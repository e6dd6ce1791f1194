import {
  type Batch,
  type Broker,
  BrokerUnavailableError,
  FencedError,
  MAX_BATCH_BYTES,
  MismatchError,
} from "../../src/broker/broker.ts";
import { failAttempt, failUndecodable } from "../../src/job/attempt.ts";
import { decodeMessage } from "../../src/job/message.ts";
import { encodeOutcome } from "../../src/job/outcome.ts";
import { type Ended, Slot } from "../../src/thread/protocol.ts";
import { Flight } from "../../src/worker/flight.ts";
import { Heartbeat } from "../../src/worker/heartbeat.ts";
import { type Holdings, LeasedHoldings } from "../../src/worker/holdings.ts";
import { Lease } from "../../src/worker/lease.ts";
import { settleCrashed, settlementOf } from "../../src/worker/outcomes.ts";
import { Settler } from "../../src/worker/settler.ts";
import { SuspectPolicy } from "../../src/worker/suspects.ts";
import { type Ledger, Violation } from "./ledger.ts";
import type { Line } from "./line.ts";
import type { Amendment } from "./mutations.ts";
import type { Random } from "./random.ts";

const CONCURRENCY = 4;
const MOST_IN_FLIGHT = 12;
const BEAT_MS = 1_000;
const NEVER = new AbortController().signal;

/** What a process of the model has around it. */
export interface Surroundings {
  readonly random: Random;
  readonly ledger: Ledger;
  readonly queue: string;
  /** Without faults: nothing is done at random that delays the end. */
  readonly calm: boolean;
  /** Amendment of the protocol that this run does without. */
  readonly without?: Amendment;
  /** True time in milliseconds; clocks differ from it. */
  nowMs(): number;
  trace(text: string): void;
  /** Something happened in a process that must not. */
  failed(error: unknown): void;
  /** By the store's account this worker has the job that it starts. */
  checkStart(worker: string, token: string, message: string): Promise<void>;
  ended(worker: ModelWorker, how: "died" | "left" | "fenced"): void;
}

/**
 * One worker process: the real parts that speak with the broker, and between
 * them what the intake, the job thread and the ttl watch would do, a step at a
 * time.
 */
export class ModelWorker {
  readonly name: string;
  readonly line: Line;
  /** The connection on which it waits. */
  readonly waits: Line;
  isDead = false;
  /** Nothing of this process moves before. */
  suspendedUntilMs = 0;
  /** How far its wall clock is from true time. */
  wallOffsetMs = 0;
  readonly #around: Surroundings;
  readonly #broker: Broker;
  readonly #predecessor?: string;
  readonly #wake: () => Promise<unknown>;
  readonly #holdings: LeasedHoldings;
  readonly #settler: Settler;
  readonly #lease: Lease;
  readonly #suspects = new SuspectPolicy();
  readonly #heartbeat: Heartbeat;
  readonly #flights = new Map<number, Flight>();
  readonly #pauses: (() => void)[] = [];
  /** Jobs that a broken release leaves open; see amendment F4. */
  readonly #blocked = new Set<string>();
  #isServing = false;
  #isStopping = false;
  #isTaking = false;
  #isBeating = false;
  #isWaiting = false;
  #isWoken = false;
  #beginning = 0;
  #batches = 0;
  #nextBeatMs = 0;

  constructor(
    around: Surroundings,
    name: string,
    parts: {
      broker: Broker;
      line: Line;
      waits: Line;
      wake: () => Promise<unknown>;
      predecessor?: string;
    },
  ) {
    this.#around = around;
    this.name = name;
    this.line = parts.line;
    this.waits = parts.waits;
    this.#broker = parts.broker;
    this.#wake = parts.wake;
    this.#predecessor = parts.predecessor;
    this.#lease = new Lease({
      wallMs: () => around.nowMs() + this.wallOffsetMs,
      steadyMs: () => around.nowMs(),
    });
    this.#holdings = new LeasedHoldings(
      this.#broker,
      name,
      around.queue,
      NEVER,
      () => new Promise((resolve) => this.#pauses.push(resolve)),
    );
    const holdings = this.#holdings;
    const believes: Pick<
      Holdings,
      "queue" | "held" | "unanswered" | "disagree"
    > = around.without !== "F2" ? holdings : {
      queue: around.queue,
      get held() {
        return holdings.held;
      },
      get unanswered() {
        return holdings.unanswered;
      },
      disagree: () => {},
    };
    this.#settler = new Settler(
      this.#holdings,
      (error) => this.#trouble(error),
    );
    this.#heartbeat = new Heartbeat({
      broker: this.#broker,
      worker: name,
      holdings: new Map([[around.queue, believes as Holdings]]),
      lease: this.#lease,
      reaper: { step: () => this.#reap() },
      health: () => ({}),
      fenced: () => {},
      outdated: () => {},
    });
  }

  /** Recovers its predecessor, then serves. */
  begin(): void {
    this.#launch(async () => {
      const { queue } = this.#around;
      await this.#untilAnswered(() => this.#broker.register([queue]));
      if (this.#predecessor !== undefined) {
        const predecessor = this.#predecessor;
        await this.#untilAnswered(() =>
          this.#broker.recover(predecessor, queue, "replaced")
        );
      }
      this.#isServing = true;
    });
  }

  /** Runs now, as far as is known outside. */
  isAwake(): boolean {
    return !this.isDead && this.#around.nowMs() >= this.suspendedUntilMs;
  }

  /** Nothing is held, and nothing is under way. */
  get isIdle(): boolean {
    return this.#holdings.held === 0 && !this.#holdings.unanswered &&
      !this.#isTaking && !this.#isBeating && this.#pauses.length === 0 &&
      this.line.isEmpty;
  }

  /** One step of its own; `false`: it had nothing to do. */
  async act(): Promise<boolean> {
    if (!this.isAwake()) return false;
    const { random, calm } = this.#around;
    if (this.#pauses.length > 0 && random.chance(0.5)) {
      this.#pauses.shift()!();
      return true;
    }
    if (!this.#isServing) return false;
    if (this.#mayBeat() && random.chance(0.7)) return this.#beat();
    if (this.#lease.inDoubt && this.#count().waiting > 0) {
      return this.#takeBack();
    }
    const waiting = this.#nextWaiting();
    const running = this.#running();
    const choices = {
      reserve: this.#mayReserve() ? 3 : 0,
      start: waiting !== undefined ? 4 : 0,
      end: running.length > 0 ? 4 : 0,
      wait: this.#mayReserve() && !this.#isWaiting && !this.#isWoken &&
          this.#count().waiting === 0
        ? 1
        : 0,
      pass: this.#isWoken && !this.#mayReserve() ? 2 : 0,
      takeBack: !calm && waiting !== undefined ? 0.3 : 0,
      handBack: this.#isStopping && running.length > 0 ? 2 : 0,
      leave: this.#isStopping && running.length === 0 ? 1 : 0,
    };
    if (Object.values(choices).every((weight) => weight === 0)) return false;
    switch (random.weighted(choices)) {
      case "reserve":
        return this.#reserve();
      case "start":
        return await this.#start(waiting!.flight, waiting!.index);
      case "end":
        return this.#end(random.pick(running));
      case "wait":
        return this.#wait();
      case "pass":
        return this.#pass();
      case "takeBack":
        return this.#takeBack();
      case "handBack":
        return this.#handBack();
      case "leave":
        return this.#leave();
    }
  }

  /** An order to end in an orderly way. */
  stop(): void {
    if (this.#isStopping || !this.#isServing) return;
    this.#around.trace(`${this.name} is told to stop`);
    this.#isStopping = true;
    this.#takeBack();
  }

  /** The process is gone, at once. */
  die(how: "died" | "left" | "fenced"): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#around.ended(this, how);
  }

  // Reserving

  #mayReserve(): boolean {
    if (
      this.#isTaking || this.#isStopping || this.#lease.inDoubt ||
      this.#runsAlone()
    ) return false;
    const { waiting, started } = this.#count();
    if (waiting + started === 0) return true;
    const nowMs = this.#around.nowMs();
    if (this.#suspects.wantsToDrain(nowMs)) this.#suspects.grant();
    return this.#suspects.mayReserve(nowMs) &&
      waiting + started < MOST_IN_FLIGHT;
  }

  #reserve(): boolean {
    const { random, queue } = this.#around;
    const request = {
      limit: random.whole(1, 6),
      bytes: MAX_BATCH_BYTES,
      idle: this.#count().waiting + this.#count().started === 0,
    };
    this.#isTaking = true;
    this.#isWoken = false;
    this.#launch(async () => {
      try {
        const moment = this.#lease.moment();
        const { flight, suspects } = await this.#holdings.reserve(
          request,
          (batch) => this.#adopt(batch),
        );
        this.#suspects.heard(queue, suspects, this.#around.nowMs());
        if (flight === undefined) return;
        if (this.#holdings.held > 0) this.#lease.begun(moment);
        await this.#accept(flight);
      } finally {
        this.#isTaking = false;
      }
    });
    return true;
  }

  #adopt(batch: Batch): Flight {
    const { queue, trace } = this.#around;
    trace(`${this.name} has ${batch.kind} ${batch.tokens.join(" ")}`);
    return new Flight(++this.#batches, queue, batch, this.#around.nowMs());
  }

  async #accept(flight: Flight): Promise<void> {
    if (flight.kind === "crashed") return this.#settleCrashed(flight);
    if (flight.kind === "suspect") {
      this.#around.ledger.of(flight.messages[0]).begun++;
      this.#beginning++;
      try {
        await this.#holdings.begin(flight);
      } finally {
        this.#beginning--;
      }
    }
    this.#flights.set(flight.number, flight);
    if (this.#isStopping) this.#takeBack();
  }

  #settleCrashed(flight: Flight): void {
    const { ledger, without } = this.#around;
    this.#settler.add(flight.messages.map((message, index) => {
      flight.ended(index);
      let settlement = settleCrashed(flight, index);
      if (without === "F6" && settlement.kind === "retry") {
        settlement = { ...settlement, alone: false };
      }
      ledger.intend(this.name, settlement.token, message, "charged");
      return { flight, index, settlement };
    }));
  }

  #wait(): boolean {
    this.#isWaiting = true;
    this.#launch(async () => {
      try {
        this.#isWoken = await this.#wake() !== null;
      } finally {
        this.#isWaiting = false;
      }
    });
    return true;
  }

  #pass(): boolean {
    this.#isWoken = false;
    this.#launch(() => this.#broker.pass(this.#around.queue));
    return true;
  }

  // What the job thread does

  #nextWaiting(): { flight: Flight; index: number } | undefined {
    if (this.#lease.inDoubt || this.#count().started >= CONCURRENCY) return;
    for (const flight of this.#flights.values()) {
      for (let index = 0; index < flight.messages.length; index++) {
        if (
          flight.slot(index) === Slot.waiting &&
          !this.#blocked.has(flight.tokens[index])
        ) return { flight, index };
      }
    }
  }

  async #start(flight: Flight, index: number): Promise<boolean> {
    const token = flight.tokens[index];
    const message = flight.messages[index];
    this.#around.trace(
      `${this.name} starts ${this.#around.ledger.of(message).label} (${token})`,
    );
    Atomics.store(new Int32Array(flight.buffer), index, Slot.running);
    if (flight.kind === "suspect" && this.#count().started > 1) {
      throw new Violation(`${this.name} runs a suspect beside other jobs`);
    }
    await this.#around.checkStart(this.name, token, message);
    return true;
  }

  #running(): { flight: Flight; index: number }[] {
    return [...this.#flights.values()].flatMap((flight) =>
      flight.started().map((index) => ({ flight, index }))
    );
  }

  #end({ flight, index }: { flight: Flight; index: number }): boolean {
    const { ledger, trace } = this.#around;
    const text = flight.messages[index];
    const account = ledger.of(text);
    if (account.kind === "poison") {
      this.#killedBy(flight, index);
      return true;
    }
    Atomics.store(new Int32Array(flight.buffer), index, Slot.ended);
    const ended = this.#outcome(text, index);
    trace(`${this.name} ends ${account.label}: ${ended.kind}`);
    flight.ended(index);
    const settlement = settlementOf(flight, ended)!;
    ledger.intend(
      this.name,
      settlement.token,
      text,
      settlement.kind,
    );
    this.#settler.add([{ flight, index, settlement }]);
    this.#forget(flight);
    return true;
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
      return { index, ...failAttempt(text, message, error), error } as Ended;
    }
    const outcome = encodeOutcome({ kind: "done", json: `"ok ${label}"` });
    return message.id === undefined
      ? { index, kind: "done" }
      : { index, kind: "done", id: message.id, outcome };
  }

  #killedBy(flight: Flight, index: number): void {
    const account = this.#around.ledger.of(flight.messages[index]);
    const { attempt } = decodeMessage(flight.messages[index]);
    const { waiting, started } = this.#count();
    account.killed++;
    this.#around.trace(`${account.label} kills ${this.name}`);
    if (attempt > 1 && waiting + started > 1) {
      throw new Violation(
        `${account.label} was charged before, and took ` +
          `${waiting + started - 1} neighbours with it again`,
      );
    }
    this.die("died");
  }

  // Handing back

  #takeBack(): boolean {
    for (const flight of [...this.#flights.values()]) {
      if (this.#around.without === "F4") this.#takeBackOnce(flight);
      else this.#release(flight, flight.takeBack());
    }
    return true;
  }

  #handBack(): boolean {
    for (const flight of [...this.#flights.values()]) {
      const indices = flight.started().filter((index) => flight.ended(index));
      for (const index of indices) {
        Atomics.store(new Int32Array(flight.buffer), index, Slot.ended);
      }
      this.#release(flight, indices);
    }
    return true;
  }

  #release(flight: Flight, indices: readonly number[]): void {
    if (indices.length === 0) return;
    this.#launch(() => this.#holdings.release(flight, indices));
    this.#forget(flight);
  }

  /** As before amendment F4: after a doubt the jobs are ours again. */
  #takeBackOnce(flight: Flight): void {
    const open = flight.tokens.map((_, index) => index).filter((index) =>
      flight.slot(index) === Slot.waiting &&
      !this.#blocked.has(flight.tokens[index])
    );
    if (open.length === 0) return;
    const tokens = open.map((index) => flight.tokens[index]);
    for (const token of tokens) this.#blocked.add(token);
    this.#launch(async () => {
      try {
        await this.#broker.release(this.name, this.#around.queue, tokens);
        for (const index of open) {
          if (flight.takeBackOne(index) && flight.leave(index)) {
            flight.gone(index);
          }
        }
        this.#forget(flight);
      } finally {
        for (const token of tokens) this.#blocked.delete(token);
      }
    });
  }

  #leave(): boolean {
    const { random } = this.#around;
    // Usually after all was answered; at last in any case.
    if (!this.isIdle && !random.chance(0.1)) return true;
    this.#around.trace(`${this.name} leaves`);
    this.die("left");
    return true;
  }

  #forget(flight: Flight): void {
    if (flight.unended === 0) this.#flights.delete(flight.number);
  }

  // The heartbeat

  #mayBeat(): boolean {
    return !this.#isBeating && this.#around.nowMs() >= this.#nextBeatMs;
  }

  #beat(): boolean {
    this.#isBeating = true;
    this.#nextBeatMs = this.#around.nowMs() + BEAT_MS;
    this.#launch(async () => {
      try {
        await this.#heartbeat.beat(NEVER);
      } finally {
        this.#isBeating = false;
      }
    });
    return true;
  }

  async #reap(): Promise<void> {
    const { queue, nowMs } = this.#around;
    const reaped = await this.#broker.reap(queue);
    this.#suspects.heard(queue, reaped.suspects, nowMs());
    for (const worker of reaped.lapsed) {
      await this.#broker.recover(worker, queue, "lapsed");
    }
  }

  // Common

  #count(): { waiting: number; started: number } {
    let waiting = 0;
    let unended = this.#beginning;
    for (const flight of this.#flights.values()) {
      waiting += flight.count().waiting;
      unended += flight.unended;
    }
    return { waiting, started: unended - waiting };
  }

  #runsAlone(): boolean {
    return this.#beginning > 0 ||
      [...this.#flights.values()].some(({ kind }) => kind === "suspect");
  }

  #launch(operation: () => Promise<unknown>): void {
    operation().catch((error) => this.#trouble(error));
  }

  async #untilAnswered(command: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await command();
        return;
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) throw error;
        await new Promise<void>((resolve) => this.#pauses.push(resolve));
      }
    }
  }

  #trouble(error: unknown): void {
    if (this.isDead) return;
    if (error instanceof FencedError) {
      this.#around.trace(`${this.name} is fenced`);
      for (const flight of this.#flights.values()) flight.takeBack();
      this.die("fenced");
    } else if (
      !(error instanceof BrokerUnavailableError ||
        error instanceof MismatchError)
    ) this.#around.failed(error);
  }
}
