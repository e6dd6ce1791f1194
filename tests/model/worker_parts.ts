import type { Batch, Broker, ReserveOnWake } from "../../src/broker/broker.ts";
import { FastHoldings } from "../../src/worker/fast_holdings.ts";
import type { Flight } from "../../src/worker/flight.ts";
import { Heartbeat } from "../../src/worker/heartbeat.ts";
import { type Holdings, LeasedHoldings } from "../../src/worker/holdings.ts";
import { Intake } from "../../src/worker/intake.ts";
import { Lease } from "../../src/worker/lease.ts";
import { type InFlight, Prefetch } from "../../src/worker/prefetch.ts";
import { Settler } from "../../src/worker/settler.ts";
import { SuspectPolicy } from "../../src/worker/suspects.ts";
import { Notice } from "../../src/time/notice.ts";
import { agreeable, idleByItself, neverRenewing } from "./mutations.ts";
import { RoundCheck } from "./round_check.ts";
import type { Surroundings } from "./surroundings.ts";

const NEVER = new AbortController().signal;

/** What the real parts need of their model worker. */
export interface PartsOptions {
  readonly name: string;
  /** In strict order. */
  readonly queues: readonly string[];
  readonly fast: boolean;
  readonly broker: Broker;
  wallMs(): number;
  pause(): Promise<void>;
  trouble(error: unknown): void;
  adopt(queue: string, batch: Batch): Flight;
  accept(flight: Flight): Promise<void>;
  refuse(flight: Flight): void;
  inFlight(): InFlight;
  runsAlone(): boolean;
}

/** The real parts of a worker that speak with the broker. */
export class WorkerParts {
  readonly holdings: ReadonlyMap<string, Holdings>;
  readonly settlers: ReadonlyMap<string, Settler>;
  readonly lease: Lease;
  readonly suspects = new SuspectPolicy();
  readonly heartbeat: Heartbeat;
  readonly #intake: Intake;
  readonly #queues: readonly string[];
  readonly #round: RoundCheck;
  readonly #inFlight: () => InFlight;

  constructor(around: Surroundings, options: PartsOptions) {
    const { name, queues, fast, broker } = options;
    this.#queues = queues;
    this.#inFlight = () => options.inFlight();
    this.lease = new Lease({
      wallMs: () => options.wallMs(),
      steadyMs: () => around.nowMs(),
    });
    this.#round = new RoundCheck(
      name,
      () => options.runsAlone(),
      (violation) => around.failed(violation),
    );
    const holdings = new Map<string, Holdings>();
    const settlers = new Map<string, Settler>();
    for (const queue of queues) {
      const own = fast ? new FastHoldings(broker, queue) : new LeasedHoldings(
        broker,
        name,
        queue,
        NEVER,
        () => options.pause(),
      );
      holdings.set(queue, own);
      settlers.set(queue, new Settler(own, (error) => options.trouble(error)));
    }
    this.holdings = holdings;
    this.settlers = settlers;
    this.heartbeat = this.#heartbeat(around, options);
    this.#intake = this.#newIntake(around, options);
  }

  get held(): number {
    let held = 0;
    for (const queue of this.holdings.values()) held += queue.held;
    return held;
  }

  get unanswered(): boolean {
    return [...this.holdings.values()].some(({ unanswered }) => unanswered);
  }

  /** Asks all queues once. */
  async reserve(limit: number): Promise<void> {
    this.#round.begin(limit, this.#order());
    await this.#intake.reserve(limit, new Set(this.#queues));
  }

  /** An idle worker asks those first in which it knows of a suspect. */
  #order(): readonly string[] {
    const { waiting, started } = this.#inFlight();
    if (waiting + started > 0) return this.#queues;
    const waits = (queue: string) => this.suspects.waitsIn(queue);
    return [
      ...this.#queues.filter(waits),
      ...this.#queues.filter((queue) => !waits(queue)),
    ];
  }

  /** What a wake-up is to bring. */
  get onWake(): ReserveOnWake {
    return this.#intake.onWake;
  }

  #heartbeat(around: Surroundings, options: PartsOptions): Heartbeat {
    const { holdings, suspects } = this;
    const { name, queues, broker } = options;
    const reap = async () => {
      for (const queue of queues) {
        const reaped = await broker.reap(queue);
        suspects.heard(queue, reaped.suspects, around.nowMs());
        for (const worker of reaped.lapsed) {
          await broker.recover(worker, queue, "lapsed");
        }
      }
    };
    const seen = around.without === "F2"
      ? new Map([...holdings].map(([queue, own]) => [queue, agreeable(own)]))
      : holdings;
    return new Heartbeat({
      broker: around.without === "renew"
        ? neverRenewing(broker, holdings)
        : broker,
      worker: name,
      holdings: seen,
      lease: this.lease,
      reaper: { step: reap },
      health: () => ({}),
      cancelled: () => {},
      fenced: () => {},
      outdated: () => {},
    });
  }

  #newIntake(around: Surroundings, options: PartsOptions): Intake {
    const { holdings, suspects, lease } = this;
    const { queues, broker } = options;
    const asked = new Map<string, Holdings>();
    for (const [queue, own] of holdings) {
      const checked = this.#round.over(own);
      asked.set(
        queue,
        around.without === "idle" ? idleByItself(checked) : checked,
      );
    }
    return new Intake(
      {
        broker,
        worker: options.name,
        queues: around.without === "order" ? queues.toReversed() : queues,
        holdings: asked,
        prefetch: new Prefetch(1),
        suspects,
        lease,
        changed: new Notice(),
        inFlight: () => options.inFlight(),
        runsAlone: () => options.runsAlone(),
        adopt: (queue, batch) => options.adopt(queue, batch),
        accept: (flight) => options.accept(flight),
        refuse: (flight) => options.refuse(flight),
        idle: () => {},
        fenced: (error) => options.trouble(error),
        useless: (error) => around.failed(error),
      },
      NEVER,
      {
        nowMs: () => around.nowMs(),
        pause: () => options.pause(),
      },
    );
  }
}
