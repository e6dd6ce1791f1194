import type { Broker } from "../broker/broker.ts";
import type { Report } from "../master/orders.ts";

const LOOK_EVERY_MS = 100;

/**
 * In burst mode: tells the master again and again, while this worker is idle,
 * how many jobs are left that must be awaited.
 */
export class BurstReport {
  readonly #broker: Broker;
  readonly #queues: readonly string[];
  readonly #report: (report: Report) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #looking = false;

  /** Over the queues of one worker. */
  constructor(
    broker: Broker,
    queues: readonly string[],
    report: (report: Report) => void,
  ) {
    this.#broker = broker;
    this.#queues = queues;
    this.#report = report;
  }

  /** The worker is idle; `stillIdle` is asked again after each look. */
  idle(stillIdle: () => boolean): void {
    this.#timer ??= setInterval(
      () => void this.#look(stillIdle),
      LOOK_EVERY_MS,
    );
  }

  /** The worker has jobs. */
  busy(): void {
    if (this.#timer === undefined) return;
    this.end();
    this.#report({ report: "busy" });
  }

  /** No more reports. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(stillIdle: () => boolean): Promise<void> {
    if (this.#looking || !stillIdle()) return;
    this.#looking = true;
    try {
      let waiting = 0;
      for (const counts of await this.#broker.counts(this.#queues)) {
        waiting += counts.ready + counts.suspect + counts.crashed +
          counts.retry + counts.heldByLate;
      }
      if (this.#timer !== undefined && stillIdle()) {
        this.#report({ report: "idle", waiting });
      }
    } catch {
      // Unreachable for the moment: no reading, so burst goes on.
    } finally {
      this.#looking = false;
    }
  }
}
