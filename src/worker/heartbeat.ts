import { type Broker, FencedError, SchemaError } from "../broker/broker.ts";
import { brokerLog } from "../log.ts";
import { sleep } from "../time/sleep.ts";
import { Complaint } from "./complaint.ts";
import type { Holdings } from "./holdings.ts";
import type { Lease } from "./lease.ts";
import type { Reaper } from "./reaper.ts";

const EVERY_MS = 1_000;
const REPORT_EVERY_BEATS = 10;
/**
 * Another program pushes without noting the name of the queue, and a store that
 * was emptied knows none: they are noted again so often.
 */
const REGISTER_EVERY_BEATS = 60;

/** What the heartbeat needs of its worker. */
export interface HeartbeatParts {
  readonly broker: Broker;
  readonly worker: string;
  readonly holdings: ReadonlyMap<string, Holdings>;
  readonly lease: Lease;
  readonly reaper: Pick<Reaper, "step">;
  /** What is published about this worker. */
  health(): Record<string, string>;
  /** So many jobs of a queue were ever cancelled. */
  cancelled(queue: string, cancels: number): void;
  fenced(error: FencedError): void;
  /** A later version of the program has changed the store. */
  outdated(error: SchemaError): void;
}

/**
 * Once a second, also while busy: renews the lease, then reaps. In this order,
 * so that of workers that all slept, each renews before it counts the others.
 */
export class Heartbeat {
  readonly #parts: HeartbeatParts;
  readonly #complaint = new Complaint();
  #answeredAtMs = performance.now();

  /** Starts with {@linkcode run}. */
  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
  }

  /** Runs until `ending` aborts. */
  async run(ending: AbortSignal): Promise<void> {
    for (let beat = 0; !ending.aborted; beat++) {
      const startedMs = performance.now();
      try {
        await this.beat(ending);
        this.#answeredAtMs = performance.now();
        if (beat % REPORT_EVERY_BEATS === 0) {
          await this.#parts.broker.report(
            this.#parts.worker,
            this.#parts.health(),
          );
        }
        if ((beat + 1) % REGISTER_EVERY_BEATS === 0) {
          await this.#parts.broker.register([...this.#parts.holdings.keys()]);
        }
      } catch (error) {
        if (error instanceof FencedError) this.#parts.fenced(error);
        else if (error instanceof SchemaError) this.#parts.outdated(error);
        else this.#failed(error as Error);
      }
      // A tick lasts a second from the answer to the last one. A beat that is
      // early by a hair would look as if another worker had been faster.
      const slow = performance.now() - startedMs >= EVERY_MS;
      await sleep(slow ? 50 : EVERY_MS, ending);
    }
  }

  /** How long ago the broker last answered all of a beat. */
  get silentMs(): number {
    return performance.now() - this.#answeredAtMs;
  }

  /** One renewal, and one step of the reaper after it. */
  async beat(ending: AbortSignal): Promise<void> {
    const disagreeing = await this.#renew();
    try {
      await this.#parts.reaper.step(ending);
    } finally {
      // Now: a worker whose places are taken does not ask this queue for long.
      for (const queue of disagreeing) await queue.disagree();
    }
  }

  /** If its jobs run for long, a worker asks the broker for nothing else. */
  #failed(error: Error): void {
    brokerLog.debug("heartbeat: {error}", { error });
    const { holdings, lease } = this.#parts;
    // A settle that is repeated complains for itself.
    const repeats = [...holdings.values()].some((queue) => queue.unanswered);
    if (!lease.inDoubt || repeats || !this.#complaint.due(error)) return;
    brokerLog.warn(
      "Cannot renew the lease of this worker, trying on: {error}",
      {
        error: error.message,
      },
    );
  }

  /** Answers with the queues of which the broker holds more or fewer jobs. */
  async #renew(): Promise<Holdings[]> {
    const { broker, worker, holdings, lease } = this.#parts;
    const busy = [...holdings.values()].filter(({ held }) => held > 0);
    for (const { queue, held } of holdings.values()) {
      if (held === 0) lease.idle(queue);
    }
    if (busy.length === 0) return [];
    const moment = lease.moment();
    const before = busy.map((queue) => queue.unanswered ? -1 : queue.held);
    const renewals = await broker.renew(worker, busy.map(({ queue }) => queue));
    for (const { queue } of busy) lease.renewed(queue, moment);
    const disagreeing: Holdings[] = [];
    renewals.forEach(({ held, schema, cancels }, index) => {
      const queue = busy[index];
      if (schema > broker.schemaVersion) {
        throw new SchemaError(
          `Cannot serve queue ${queue.queue}: it has schema version ` +
            `${schema}, this program writes ${broker.schemaVersion}`,
        );
      }
      this.#parts.cancelled(queue.queue, cancels);
      // Only if no command can have changed it in between.
      const quiet = !queue.unanswered && queue.held === before[index];
      if (quiet && held !== before[index]) disagreeing.push(queue);
    });
    return disagreeing;
  }
}
