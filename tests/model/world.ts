import type { Flight } from "../../src/worker/flight.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { inject } from "./faults.ts";
import { type Parcel, planJobs } from "./jobs.ts";
import { labelOf, Ledger, Violation } from "./ledger.ts";
import { type Command, DirectLine, Line, quiet, type Stray } from "./line.ts";
import { ModelWorker } from "./model_worker.ts";
import type { Amendment } from "./mutations.ts";
import { chooseProfile, type Faults, type Profile } from "./profile.ts";
import { Random } from "./random.ts";
import type { Store } from "./store.ts";
import type { End, Surroundings, WorkerPlan } from "./surroundings.ts";

/** How one run differs from others. */
export interface RunOptions {
  readonly seed: number;
  /** Faults may limit the memory of the server, so nobody shares it. */
  readonly memory: boolean;
  /** A command may be lost, late, or run twice. */
  readonly network: boolean;
  readonly without?: Amendment;
  /** After so many steps the faults end; by default the seed decides. */
  readonly steps?: number;
}

/** After so long without faults nobody has lapsed because of one. */
const FAULTS_ARE_OVER_AFTER_MS = 20_000;
const STARTED_AT_MS = 1_800_000_000_000;

/** All processes, connections and clocks of one run, and its store. */
export class World {
  readonly random: Random;
  readonly profile: Profile;
  readonly ledger: Ledger;
  readonly store: Store;
  readonly workers: ModelWorker[] = [];
  /** Names of all workers that ever were. */
  readonly names: string[] = [];
  /** Commands that nobody waits for, and that the store may still get. */
  readonly strays: Command[] = [];
  /** Workers that ended and have no successor yet. */
  readonly vacancies: WorkerPlan[] = [];
  readonly parcels: Parcel[];
  readonly trace: string[] = [];
  calm = false;
  calmSinceMs = Infinity;
  /** True time, in milliseconds. */
  nowMs = 0;
  /** How far the store's clock is from it. */
  offsetMs = STARTED_AT_MS;
  highestOffsetMs = STARTED_AT_MS;
  memoryIsFull = false;
  lastJumpMs = -Infinity;
  /** Workers that neither poison nor an order in peace has ended. */
  endedOtherwise = 0;
  step = 0;
  readonly producer: Line;
  readonly #producing: Broker;
  readonly reaper: Line = new Line("reaper");
  readonly orphans: Line = new Line("orphan");
  readonly #reaping: Broker;
  #isReaping = false;
  readonly #options: RunOptions;
  #error: unknown;

  constructor(
    options: RunOptions,
    open: (ledger: Ledger, queues: number) => Store,
  ) {
    this.#options = options;
    this.random = new Random(options.seed);
    this.ledger = new Ledger();
    this.profile = chooseProfile(
      this.random,
      options.network,
      options.memory,
    );
    this.store = open(this.ledger, this.profile.queues);
    this.store.clockMs = this.offsetMs;
    this.parcels = planJobs(
      this.random,
      this.profile,
      this.store.queues,
      this.ledger,
    );
    for (const parcel of this.parcels) {
      if (parcel.kind === "foreign") continue;
      for (const { id, message } of parcel.entries) {
        this.ids.set(id, labelOf(message));
      }
    }
    this.producer = new Line("producer");
    this.#producing = this.store.broker(this.producer);
    this.#reaping = this.store.broker(this.reaper);
    for (let i = 0; i < this.profile.workers; i++) this.spawn();
  }

  /** Job ids and their labels. */
  readonly ids: Map<string, string> = new Map();

  /** No worker died of anything else, and none was taken for dead. */
  get onlyPoisonKilled(): boolean {
    return this.profile.onlyPoison && this.endedOtherwise === 0;
  }

  get seed(): number {
    return this.#options.seed;
  }

  get living(): ModelWorker[] {
    return this.workers.filter(({ isDead }) => !isDead);
  }

  /** Fast workers have jobs that the store does not know any more. */
  get fastIsBusy(): boolean {
    return this.living.some((worker) => worker.plan.fast && worker.isBusy);
  }

  /** A broker whose commands all arrive at once. */
  directBroker(): Broker {
    return this.store.broker(new DirectLine("observer"));
  }

  note(text: string): void {
    this.trace.push(
      `${String(this.step).padStart(4)} ${(this.nowMs / 1000).toFixed(2)} s  ` +
        text,
    );
  }

  /** Time passes for everyone. */
  pass(milliseconds: number): void {
    this.nowMs += milliseconds;
    this.store.clockMs = this.nowMs + this.offsetMs;
  }

  /** The store's clock is set. */
  jump(byMs: number): void {
    this.offsetMs += byMs;
    this.highestOffsetMs = Math.max(this.highestOffsetMs, this.offsetMs);
    this.lastJumpMs = this.nowMs;
    this.pass(0);
  }

  /** Starts a worker process, perhaps as the successor of a dead one. */
  spawn(plan: WorkerPlan = this.#plan()): void {
    const name = `w${this.names.length + 1}`;
    this.names.push(name);
    const line = new Line(name);
    const waits = new Line(name);
    const around = this.#surroundings();
    const worker = new ModelWorker(around, name, plan, {
      broker: this.store.broker(line),
      line,
      waits,
      wake: (queue, onWake) => this.store.wake(waits, queue, onWake),
    });
    const { queues, fast, predecessor } = plan;
    this.note(
      `${name} starts for ${queues.join(" ")}${fast ? ", fast" : ""}` +
        (predecessor ? `, in the place of ${predecessor}` : ""),
    );
    this.workers.push(worker);
    worker.begin();
  }

  /** What a new master may be told: which queues, in which order. */
  #plan(): WorkerPlan {
    const { random, profile, store } = this;
    const some = store.queues.filter(() => random.chance(0.8));
    const queues = some.length > 0 ? some : store.queues;
    return {
      queues: random.chance(0.2) ? queues.toReversed() : queues,
      fast: random.chance(profile.fast),
    };
  }

  /** One step: something moves, or something goes wrong. */
  async next(): Promise<void> {
    const { random, profile } = this;
    this.step++;
    this.pass(random.whole(0, 25));
    const kind = random.weighted(
      {
        network: 48,
        work: 45,
        time: 2.5,
        produce: this.parcels.length > 0 ? 5 : 0,
        ...profile.faults,
      } satisfies Record<string, number> & Faults,
    );
    switch (kind) {
      case "network":
        await this.#network();
        break;
      case "work":
        if (this.living.length > 0) await random.pick(this.living).act();
        break;
      case "time":
        this.pass(random.whole(100, 2000));
        break;
      case "produce":
        this.produce();
        break;
      case "reaper":
        this.#reap();
        break;
      default:
        await inject(this, kind);
    }
    await this.settle();
  }

  /** All that can go on goes on; what went wrong is thrown. */
  async settle(): Promise<void> {
    await quiet();
    if (this.#error !== undefined) throw this.#error;
  }

  /** A producer sends its next parcel. */
  produce(): void {
    const parcel = this.parcels.shift();
    if (parcel === undefined) return;
    const sent = parcel.kind === "foreign"
      ? this.store.push(this.producer, parcel.queue, parcel.message)
      : this.#producing.enqueue(parcel.entries);
    // Whether it is stored is what the store says.
    sent.catch(() => {});
  }

  /** Lines on which something is on its way. */
  busyLines(): Line[] {
    return [
      this.producer,
      this.reaper,
      ...this.living.flatMap(({ line, waits }) => [line, waits]),
    ].filter((line) => !line.isEmpty);
  }

  /** The store runs the next command of a line. */
  async deliver(line: Line): Promise<void> {
    const command = line.waiting;
    if (command === undefined) return;
    this.note(`${line.owner}: ${command.text}`);
    await line.deliver();
    if (command.onceOnly || this.calm) return;
    if (this.random.chance(this.profile.duplicates)) {
      this.strays.push(command);
    }
  }

  /** What left a line without an answer may still arrive, or arrive again. */
  scatter(strays: readonly Stray[]): void {
    if (!this.#options.network) return;
    for (const { command, executed } of strays) {
      if (executed && command.onceOnly) continue;
      if (this.random.chance(executed ? 0.15 : 0.5)) this.strays.push(command);
    }
  }

  async #network(): Promise<void> {
    const { random } = this;
    const lines = this.busyLines();
    if (lines.length === 0) return;
    const line = random.pick(lines);
    const worker = this.living.find((one) =>
      one.line === line || one.waits === line
    );
    const isAwake = worker === undefined || worker.isAwake();
    if (!line.answered || random.chance(0.2)) await this.deliver(line);
    if (line.answered && isAwake && random.chance(0.9)) line.answer();
  }

  #reap(): void {
    if (this.#isReaping) return;
    this.#isReaping = true;
    const queue = this.random.pick(this.store.queues);
    const step = async () => {
      const { lapsed } = await this.#reaping.reap(queue);
      for (const worker of lapsed) {
        await this.#reaping.recover(worker, queue, "lapsed");
      }
    };
    step().catch((error) => {
      if (error.name !== "BrokerUnavailableError") this.#error ??= error;
    }).finally(() => this.#isReaping = false);
  }

  #surroundings(): Surroundings {
    const isCalm = () => this.calm;
    return {
      random: this.random,
      ledger: this.ledger,
      get calm() {
        return isCalm();
      },
      without: this.#options.without,
      nowMs: () => this.nowMs,
      trace: (text) => this.note(text),
      failed: (error) => this.#error ??= error,
      checkStart: (worker, flight, index) =>
        this.#checkStart(worker, flight, index),
      ended: (worker, how) => this.#ended(worker, how),
    };
  }

  async #checkStart(
    worker: string,
    { queue, tokens, messages }: Flight,
    index: number,
  ): Promise<void> {
    const token = tokens[index];
    const message = messages[index];
    const held = await this.store.holds(queue, worker, token);
    if (held === message) return;
    throw new Violation(
      `${worker} starts ${this.ledger.of(message).label} under ${token}, but ` +
        `the store says that it holds ${held ?? "nothing"} there`,
    );
  }

  #ended(worker: ModelWorker, how: End): void {
    this.note(`${worker.name} has ${how}`);
    if (how === "fenced" || how === "left early") this.endedOtherwise++;
    const calmMs = this.nowMs - this.calmSinceMs;
    if (how === "fenced" && calmMs > FAULTS_ARE_OVER_AFTER_MS) {
      this.#error ??= new Violation(
        `${worker.name} has lapsed, though for ${calmMs} ms nothing hindered it`,
      );
    }
    this.scatter(worker.line.abandon());
    this.scatter(worker.waits.abandon());
    // Nobody may come in its place; then it lapses.
    if (how === "fenced" || this.calm || this.random.chance(0.7)) {
      this.vacancies.push({ ...worker.plan, predecessor: worker.name });
    }
  }
}
