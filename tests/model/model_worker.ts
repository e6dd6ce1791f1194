import {
  type Batch,
  type Broker,
  BrokerUnavailableError,
  FencedError,
  MAX_BATCH_BYTES,
  MismatchError,
} from "../../src/broker/broker.ts";
import { Flight } from "../../src/worker/flight.ts";
import { Heartbeat } from "../../src/worker/heartbeat.ts";
import { LeasedHoldings } from "../../src/worker/holdings.ts";
import { Lease } from "../../src/worker/lease.ts";
import { settleCrashed, settlementOf } from "../../src/worker/outcomes.ts";
import { Settler } from "../../src/worker/settler.ts";
import { SuspectPolicy } from "../../src/worker/suspects.ts";
import { type Line, untilAnswered } from "./line.ts";
import { ModelThread, type Place } from "./model_thread.ts";
import { agreeable, releaseOnce } from "./mutations.ts";
import type { End, Surroundings } from "./surroundings.ts";

const MOST_IN_FLIGHT = 12;
const BEAT_MS = 1_000;
const NEVER = new AbortController().signal;

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
  readonly #thread: ModelThread;
  readonly #pauses: (() => void)[] = [];
  #isServing = false;
  #isStopping = false;
  #isTaking = false;
  #isBeating = false;
  #isWaiting = false;
  #isWoken = false;
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
    this.#thread = new ModelThread(name, around);
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
      () => this.#pause(),
    );
    this.#settler = new Settler(
      this.#holdings,
      (error) => this.#trouble(error),
    );
    this.#heartbeat = new Heartbeat({
      broker: this.#broker,
      worker: name,
      holdings: new Map([[
        around.queue,
        around.without === "F2" ? agreeable(this.#holdings) : this.#holdings,
      ]]),
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
      const pause = () => this.#pause();
      await untilAnswered(() => this.#broker.register([queue]), pause);
      const predecessor = this.#predecessor;
      if (predecessor !== undefined) {
        const recover = () =>
          this.#broker.recover(predecessor, queue, "replaced");
        await untilAnswered(recover, pause);
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
    if (this.#mayBeat() && random.chance(0.7)) {
      this.#beat();
      return true;
    }
    if (this.#lease.inDoubt && this.#thread.count().waiting > 0) {
      this.#takeBack();
      return true;
    }
    const waiting = this.#lease.inDoubt
      ? undefined
      : this.#thread.nextWaiting();
    const running = this.#thread.running();
    const choices = {
      reserve: this.#mayReserve() ? 3 : 0,
      start: waiting !== undefined ? 4 : 0,
      end: running.length > 0 ? 4 : 0,
      wait: this.#mayReserve() && !this.#isWaiting && !this.#isWoken &&
          this.#thread.count().waiting === 0
        ? 1
        : 0,
      pass: this.#isWoken && !this.#mayReserve() ? 2 : 0,
      takeBack: !calm && waiting !== undefined ? 0.3 : 0,
      handBack: this.#isStopping && running.length > 0 ? 2 : 0,
      leave: this.#isStopping && running.length === 0 ? 1 : 0,
    };
    if (Object.values(choices).every((weight) => weight === 0)) return false;
    const actions = {
      reserve: () => this.#reserve(),
      start: () => this.#start(waiting!),
      end: () => this.#end(random.pick(running)),
      wait: () => this.#wait(),
      pass: () => this.#pass(),
      takeBack: () => this.#takeBack(),
      handBack: () => this.#handBack(),
      leave: () => this.#leave(),
    } satisfies Record<keyof typeof choices, () => unknown>;
    await actions[random.weighted(choices)]();
    return true;
  }

  /** An order to end in an orderly way. */
  stop(): void {
    if (this.#isStopping || !this.#isServing) return;
    this.#around.trace(`${this.name} is told to stop`);
    this.#isStopping = true;
    this.#takeBack();
  }

  /** The process is gone, at once. */
  die(how: End): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#around.ended(this, how);
  }

  // Reserving

  #mayReserve(): boolean {
    if (
      this.#isTaking || this.#isStopping || this.#lease.inDoubt ||
      this.#thread.runsAlone
    ) return false;
    const { waiting, started } = this.#thread.count();
    if (waiting + started === 0) return true;
    const nowMs = this.#around.nowMs();
    if (this.#suspects.wantsToDrain(nowMs)) this.#suspects.grant();
    return this.#suspects.mayReserve(nowMs) &&
      waiting + started < MOST_IN_FLIGHT;
  }

  #reserve(): void {
    const { random, queue } = this.#around;
    const request = {
      limit: random.whole(1, 6),
      bytes: MAX_BATCH_BYTES,
      idle: this.#thread.count().waiting + this.#thread.count().started === 0,
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
      this.#thread.beginning++;
      try {
        await this.#holdings.begin(flight);
      } finally {
        this.#thread.beginning--;
      }
    }
    this.#thread.add(flight);
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

  #wait(): void {
    this.#isWaiting = true;
    this.#launch(async () => {
      try {
        this.#isWoken = await this.#wake() !== null;
      } finally {
        this.#isWaiting = false;
      }
    });
  }

  #pass(): void {
    this.#isWoken = false;
    this.#launch(() => this.#broker.pass(this.#around.queue));
  }

  async #start({ flight, index }: Place): Promise<void> {
    this.#thread.start(flight, index);
    await this.#around.checkStart(
      this.name,
      flight.tokens[index],
      flight.messages[index],
    );
  }

  #end({ flight, index }: Place): void {
    const ended = this.#thread.end(flight, index);
    if (ended === undefined) {
      return this.die("died");
    }
    const settlement = settlementOf(flight, ended)!;
    this.#around.ledger.intend(
      this.name,
      settlement.token,
      flight.messages[index],
      settlement.kind,
    );
    this.#settler.add([{ flight, index, settlement }]);
    this.#thread.forget(flight);
  }

  // Handing back

  #takeBack(): void {
    for (const flight of this.#thread.flights) {
      if (this.#around.without === "F4") this.#releaseOnce(flight);
      else this.#release(flight, flight.takeBack());
    }
  }

  #handBack(): void {
    for (const flight of this.#thread.flights) {
      const indices = flight.started();
      for (const index of indices) this.#thread.interrupt(flight, index);
      this.#release(flight, indices);
    }
  }

  #release(flight: Flight, indices: readonly number[]): void {
    if (indices.length === 0) return;
    this.#launch(() => this.#holdings.release(flight, indices));
    this.#thread.forget(flight);
  }

  #releaseOnce(flight: Flight): void {
    const release = (tokens: readonly string[]) =>
      this.#broker.release(this.name, this.#around.queue, tokens);
    this.#launch(() =>
      releaseOnce(flight, this.#thread.blocked, release)
        .then(() => this.#thread.forget(flight))
    );
  }

  #leave(): void {
    const { random } = this.#around;
    // Usually after all was answered; at last in any case.
    if (!this.isIdle && !random.chance(0.1)) return;
    this.die(this.isIdle ? "left" : "left early");
  }

  #mayBeat(): boolean {
    return !this.#isBeating && this.#around.nowMs() >= this.#nextBeatMs;
  }

  #beat(): void {
    this.#isBeating = true;
    this.#nextBeatMs = this.#around.nowMs() + BEAT_MS;
    this.#launch(async () => {
      try {
        await this.#heartbeat.beat(NEVER);
      } finally {
        this.#isBeating = false;
      }
    });
  }

  async #reap(): Promise<void> {
    const { queue, nowMs } = this.#around;
    const reaped = await this.#broker.reap(queue);
    this.#suspects.heard(queue, reaped.suspects, nowMs());
    for (const worker of reaped.lapsed) {
      await this.#broker.recover(worker, queue, "lapsed");
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#pauses.push(resolve));
  }

  #launch(operation: () => Promise<unknown>): void {
    operation().catch((error) => this.#trouble(error));
  }

  #trouble(error: unknown): void {
    if (this.isDead) return;
    if (error instanceof FencedError) {
      this.#around.trace(`${this.name} is fenced`);
      for (const flight of this.#thread.flights) flight.takeBack();
      this.die("fenced");
    } else if (
      !(error instanceof BrokerUnavailableError ||
        error instanceof MismatchError)
    ) this.#around.failed(error);
  }
}
