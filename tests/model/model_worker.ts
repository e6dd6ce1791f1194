import {
  type Batch,
  type Broker,
  BrokerUnavailableError,
  FencedError,
  MismatchError,
} from "../../src/broker/broker.ts";
import { Flight } from "../../src/worker/flight.ts";
import { settleCrashed, settlementOf } from "../../src/worker/outcomes.ts";
import { labelOf } from "./ledger.ts";
import { type Line, untilAnswered } from "./line.ts";
import { ModelThread, type Place } from "./model_thread.ts";
import { releaseOnce } from "./mutations.ts";
import type { Connections } from "./store.ts";
import type { End, Surroundings, WorkerPlan } from "./surroundings.ts";
import { WorkerParts } from "./worker_parts.ts";

const MOST_IN_FLIGHT = 12;
const BEAT_MS = 1_000;
const NEVER = new AbortController().signal;

/**
 * One worker process: the real parts that speak with the broker, and between
 * them what the job thread and the ttl watch would do, a step at a time.
 */
export class ModelWorker {
  readonly name: string;
  readonly plan: WorkerPlan;
  readonly line: Line;
  /** The connection on which it waits. */
  readonly waits: Line;
  isDead = false;
  /** Nothing of this process moves before. */
  suspendedUntilMs = 0;
  /** Its wall clock against true time. */
  wallOffsetMs = 0;
  readonly #around: Surroundings;
  readonly #broker: Broker;
  readonly #wake: Connections["wake"];
  readonly #parts: WorkerParts;
  readonly #thread: ModelThread;
  readonly #pauses: (() => void)[] = [];
  /** Of fast mode: what it is about to put back. */
  readonly #handing = new Set<readonly string[]>();
  #isServing = false;
  #isStopping = false;
  #isTaking = false;
  #isBeating = false;
  #isWaiting = false;
  /** The queue that a wait named. */
  #woken: string | undefined;
  #batches = 0;
  #emptyAtMs = -Infinity;
  #nextBeatMs = 0;

  constructor(
    around: Surroundings,
    name: string,
    plan: WorkerPlan,
    connections: Connections,
  ) {
    this.#around = around;
    this.name = name;
    this.plan = plan;
    this.line = connections.line;
    this.waits = connections.waits;
    this.#broker = connections.broker;
    this.#wake = connections.wake;
    if (plan.fast) around.ledger.fast.register(name);
    this.#thread = new ModelThread(name, around, plan);
    this.#parts = new WorkerParts(around, {
      ...plan,
      name,
      broker: this.#broker,
      wallMs: () => around.nowMs() + this.wallOffsetMs,
      pause: () => this.#pause(),
      trouble: (error) => this.#trouble(error),
      adopt: (queue, batch) => this.#adopt(queue, batch),
      accept: (flight) => this.#accept(flight),
      refuse: (flight) => this.#release(flight, flight.takeBack()),
      inFlight: () => this.#thread.count(),
      runsAlone: () => this.#thread.runsAlone,
    });
  }

  /** Recovers its predecessor, then serves. */
  begin(): void {
    this.#launch(async () => {
      const { queues, fast, predecessor } = this.plan;
      const pause = () => this.#pause();
      await untilAnswered(() => this.#broker.register(queues), pause);
      for (const queue of queues) {
        if (predecessor === undefined || fast) break;
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

  /** Jobs are in its hands. */
  get isBusy(): boolean {
    return this.#thread.flights.length > 0 || this.#handing.size > 0;
  }

  /** Nothing is held, and nothing is under way. */
  get isIdle(): boolean {
    return this.#parts.held === 0 && !this.#parts.unanswered &&
      this.#handing.size === 0 && !this.#isTaking && !this.#isBeating &&
      this.#pauses.length === 0 && this.line.isEmpty;
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
    const beats = !this.#isBeating && this.#around.nowMs() >= this.#nextBeatMs;
    if (beats && random.chance(0.7)) {
      this.#beat();
      return true;
    }
    const { inDoubt } = this.#parts.lease;
    if (inDoubt && this.#thread.count().waiting > 0) {
      this.#takeBack();
      return true;
    }
    const waiting = inDoubt ? undefined : this.#thread.nextWaiting();
    const ending = this.#thread.ending();
    const { started } = this.#thread.count();
    const choices = {
      reserve: this.#mayReserve() ? 3 : 0,
      start: waiting !== undefined ? 4 : 0,
      end: ending.length > 0 ? 4 : 0,
      wait: this.#mayReserve() && !this.#isWaiting &&
          this.#woken === undefined && this.#thread.count().waiting === 0
        ? 1
        : 0,
      pass: this.#woken !== undefined && !this.#mayReserve() ? 2 : 0,
      takeBack: !calm && waiting !== undefined ? 0.3 : 0,
      handBack: this.#isStopping && started > 0 ? 2 : 0,
      leave: this.#isStopping && started === 0 ? 1 : 0,
    };
    if (Object.values(choices).every((weight) => weight === 0)) return false;
    const actions = {
      reserve: () => this.#reserve(),
      start: () => this.#start(waiting!),
      end: () => this.#end(random.pick(ending)),
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
    if (this.plan.fast) {
      const { fast } = this.#around.ledger;
      fast.excuse(this.#thread.unended());
      for (const messages of this.#handing) fast.excuse(messages);
    }
    this.#around.ended(this, how);
  }

  // Reserving

  #mayReserve(): boolean {
    if (
      this.#isTaking || this.#isStopping || this.#parts.lease.inDoubt ||
      this.#thread.runsAlone
    ) return false;
    const nowMs = this.#around.nowMs();
    // Without faults nothing comes in the same moment.
    if (this.#around.calm && this.#emptyAtMs === nowMs) return false;
    const { waiting, started } = this.#thread.count();
    if (waiting + started === 0) return true;
    const { suspects } = this.#parts;
    if (suspects.wantsToDrain(nowMs)) suspects.grant();
    return suspects.mayReserve(nowMs) && waiting + started < MOST_IN_FLIGHT;
  }

  #reserve(): void {
    const limit = this.#around.random.whole(1, 6);
    this.#isTaking = true;
    this.#woken = undefined;
    this.#launch(async () => {
      try {
        const batches = this.#batches;
        await this.#parts.reserve(limit);
        if (batches === this.#batches) this.#emptyAtMs = this.#around.nowMs();
      } finally {
        this.#isTaking = false;
      }
    });
  }

  #adopt(queue: string, batch: Batch): Flight {
    const { trace, ledger, nowMs } = this.#around;
    trace(
      `${this.name} has ${batch.kind} ${batch.tokens.join(" ")} of ${queue}`,
    );
    if (this.plan.fast) ledger.fast.received(this.name, batch.messages);
    return new Flight(++this.#batches, queue, batch, nowMs());
  }

  async #accept(flight: Flight): Promise<void> {
    if (flight.kind === "crashed") return this.#settleCrashed(flight);
    if (flight.kind === "suspect") {
      this.#around.ledger.of(flight.messages[0]).begun++;
      this.#thread.beginning++;
      try {
        await this.#parts.holdings.get(flight.queue)!.begin(flight);
      } finally {
        this.#thread.beginning--;
      }
    }
    this.#thread.add(flight);
    if (this.#isStopping) this.#takeBack();
  }

  #settleCrashed(flight: Flight): void {
    const { ledger, without } = this.#around;
    this.#parts.settlers.get(flight.queue)!.add(
      flight.messages.map((message, index) => {
        flight.ended(index);
        let settlement = settleCrashed(flight, index);
        if (without === "F6" && settlement.kind === "retry") {
          settlement = { ...settlement, alone: false };
        }
        ledger.intend(this.name, flight.queue, settlement.token, {
          label: labelOf(message),
          end: "charged",
        });
        return { flight, index, settlement };
      }),
    );
  }

  #wait(): void {
    this.#isWaiting = true;
    const queue = this.#around.random.pick(this.plan.queues);
    this.#launch(async () => {
      try {
        const woken = await this.#wake(queue, this.#parts.onWake);
        if (woken) this.#woken = queue;
      } finally {
        this.#isWaiting = false;
      }
    });
  }

  #pass(): void {
    const queue = this.#woken!;
    this.#woken = undefined;
    this.#launch(() => this.#broker.pass(queue));
  }

  async #start({ flight, index }: Place): Promise<void> {
    this.#thread.start(flight, index);
    if (this.plan.fast) return;
    await this.#around.checkStart(this.name, flight, index);
  }

  #end({ flight, index }: Place): void {
    const message = flight.messages[index];
    const ended = this.#thread.end(flight, index);
    if (ended === undefined) return this.die("died");
    const { ledger } = this.#around;
    const settlement = settlementOf(flight, ended)!;
    if (this.plan.fast) ledger.endedFast(message);
    else {
      ledger.intend(this.name, flight.queue, settlement.token, {
        label: labelOf(message),
        end: settlement.kind,
      });
    }
    this.#parts.settlers.get(flight.queue)!
      .add([{ flight, index, settlement }]);
    this.#thread.forget(flight);
  }

  // Handing back

  #takeBack(): void {
    for (const flight of this.#thread.flights) {
      if (this.#around.without === "F4" && !this.plan.fast) {
        this.#releaseOnce(flight);
      } else this.#release(flight, flight.takeBack());
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
    const holdings = this.#parts.holdings.get(flight.queue)!;
    this.#launch(() =>
      this.plan.fast
        ? this.#handOver(flight, indices)
        : holdings.release(flight, indices)
    );
    this.#thread.forget(flight);
  }

  /** Nobody repeats what a fast worker does: then its jobs may be lost. */
  async #handOver(flight: Flight, indices: readonly number[]): Promise<void> {
    const messages = indices.map((index) => flight.messages[index]);
    this.#handing.add(messages);
    try {
      await this.#parts.holdings.get(flight.queue)!.release(flight, indices);
    } catch (error) {
      this.#around.ledger.fast.excuse(messages);
      this.#around.trace(`${this.name} can't put back jobs: ${error}`);
    } finally {
      this.#handing.delete(messages);
    }
  }

  #releaseOnce(flight: Flight): void {
    const release = (tokens: readonly string[]) =>
      this.#broker.release(this.name, flight.queue, tokens);
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

  #beat(): void {
    this.#isBeating = true;
    this.#nextBeatMs = this.#around.nowMs() + BEAT_MS;
    this.#launch(async () => {
      try {
        await this.#parts.heartbeat.beat(NEVER);
      } finally {
        this.#isBeating = false;
      }
    });
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
