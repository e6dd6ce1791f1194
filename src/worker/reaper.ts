import {
  type Broker,
  BrokerUnavailableError,
  WrongTypeError,
} from "../broker/broker.ts";
import { BrokerError } from "../errors.ts";
import { brokerLog, lifecycleLog } from "../log.ts";
import { sleep } from "../time/sleep.ts";
import type { ScheduleFirer } from "./schedule_firer.ts";

/** With so many queues, one worker of a master is enough for all of them. */
const MANY_QUEUES = 100;
const EVERY_MS = 1_000;
/** A queue with a foreign key is tried again, and complained of, so often. */
const SPOILED_MS = 60_000;
/**
 * If very much is due it goes on at the next beat: the lease of this worker must
 * be renewed in between.
 */
const STEP_MS = 1_000;
/** Schedules that the broker refuses to fire are tried again so often. */
const REFUSED_MS = 5_000;

/** What the reaper tells its worker. */
export interface ReaperEvents {
  /** So many suspect and crashed jobs wait in a queue. */
  suspects(queue: string, waiting: number): void;
}

/**
 * The step that every worker takes about once a second: moves due jobs to
 * ready, fires schedules, and recovers what lapsed workers held. A queue whose tick another
 * worker has just advanced is left alone for 1 to 3 s.
 */
export class Reaper {
  readonly #broker: Broker;
  readonly #queues: readonly string[];
  readonly #events: ReaperEvents;
  readonly #nextMs = new Map<string, number>();
  readonly #nextFireMs = new Map<string, number>();
  #firer: ScheduleFirer | undefined;

  /** @param first This worker reaps even if there are very many queues. */
  constructor(
    broker: Broker,
    queues: readonly string[],
    first: boolean,
    events: ReaperEvents,
  ) {
    this.#broker = broker;
    this.#queues = queues.length >= MANY_QUEUES && !first ? [] : queues;
    this.#events = events;
  }

  /**
   * One step for each queue whose turn it is.
   *
   * @throws {BrokerError} The first one, after the other queues had their turn.
   */
  async step(stopping: AbortSignal): Promise<void> {
    const endMs = performance.now() + STEP_MS;
    let failed: { error: unknown } | undefined;
    for (const queue of this.#queues) {
      if (stopping.aborted) return;
      const nowMs = performance.now();
      // One after the other may have to wait until it is known to be away.
      if (failed !== undefined && nowMs >= endMs) break;
      if (nowMs < (this.#nextMs.get(queue) ?? 0)) continue;
      try {
        const waitMs = await this.#reap(queue, endMs, stopping);
        // A little early, so that a step is not missed by a hair.
        this.#nextMs.set(queue, nowMs + waitMs - 50);
      } catch (error) {
        const away = error instanceof BrokerUnavailableError;
        if (away && !this.#broker.isSpread) throw error;
        // It must not keep the queues behind it from their turn.
        const spoiled = error instanceof WrongTypeError;
        if (spoiled) this.#complain(queue, error);
        else failed ??= { error };
        const endedMs = performance.now();
        // Others have a turn before several that are slow to fail have theirs.
        const slowMs = Math.max(EVERY_MS, 4 * (endedMs - nowMs));
        const laterMs = spoiled ? SPOILED_MS : slowMs;
        this.#nextMs.set(queue, endedMs + laterMs - 50);
      }
    }
    if (failed !== undefined) throw failed.error;
  }

  #complain(queue: string, error: WrongTypeError): void {
    brokerLog.error("Jobs of queue {queue} that are due do not move: {error}", {
      queue,
      error: error.message,
    });
  }

  /** Answers with when this queue's turn comes again. */
  async #reap(
    queue: string,
    endMs: number,
    stopping: AbortSignal,
  ): Promise<number> {
    for (let advanced = false;;) {
      const reaped = await this.#broker.reap(queue);
      advanced ||= reaped.advanced;
      this.#events.suspects(queue, reaped.suspects);
      for (const worker of reaped.lapsed) {
        const jobs = await this.#broker.recover(worker, queue, "lapsed");
        // A worker renews only where it holds something.
        if (jobs === 0) continue;
        lifecycleLog.warn(
          "Worker {worker} has lapsed; {jobs} jobs of queue {queue} run again",
          { worker, jobs, queue },
        );
      }
      if (reaped.schedulesDue) await this.#fire(queue, stopping);
      if (!reaped.more || stopping.aborted) {
        return advanced ? EVERY_MS : EVERY_MS * (1 + 2 * Math.random());
      }
      if (performance.now() >= endMs) return 0;
      // Reserves of this and other workers come between two steps.
      await sleep(0);
    }
  }

  async #fire(queue: string, stopping: AbortSignal): Promise<void> {
    const nowMs = performance.now();
    if (nowMs < (this.#nextFireMs.get(queue) ?? 0)) return;
    // What reads cron expressions is loaded by those who have some.
    const { ScheduleFirer } = await import("./schedule_firer.ts");
    this.#firer ??= new ScheduleFirer(this.#broker.schedules);
    try {
      await this.#firer.step(queue, stopping);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      // It is full, perhaps: that must not keep others from their turn.
      this.#nextFireMs.set(queue, nowMs + REFUSED_MS);
      brokerLog.error("Schedules of queue {queue} wait: {error}", {
        queue,
        error: error.message,
      });
    }
  }
}
