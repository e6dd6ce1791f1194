import { setImmediate, setTimeout } from "node:timers";
import { ClaimedBatch } from "./claimed_batch.ts";
import type { Executor } from "./execute.ts";
import type { FromThread, ToThread } from "./protocol.ts";
import type { StartPermit } from "./start_permit.ts";

/** Jobs that end at once run for so long before the event loop gets a turn. */
const TURN_MS = 5;
/** While the lease is in doubt, it is looked at so often. */
const DOUBT_LOOK_MS = 20;

/** What the runner needs. */
export interface RunnerParts {
  readonly executor: Executor;
  readonly permit: StartPermit;
  /** Jobs at once that take time of their own. */
  readonly concurrency: number;
  post(message: FromThread): void;
}

/**
 * Runs the jobs of all batches in their order. What ends at once runs in a
 * tight loop; what takes its time runs beside others, `concurrency` at most.
 *
 * A turn ends with its batch, or after some milliseconds. What ended is
 * reported at the beginning of the next turn: until then the runtime has told
 * of the rejections that those jobs left behind.
 */
export class JobRunner {
  readonly #parts: RunnerParts;
  readonly #batches = new Map<number, ClaimedBatch>();
  readonly #waiting: ClaimedBatch[] = [];
  #running = 0;
  #scheduled = false;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Takes a batch over. */
  add(message: Extract<ToThread, { kind: "batch" }>): void {
    // What was taken back while nothing could start must not pile up.
    while (this.#waiting.length > 0 && !this.#waiting[0].hasWaiting) {
      this.#waiting.shift();
    }
    const batch = new ClaimedBatch(message);
    this.#batches.set(batch.number, batch);
    this.#waiting.push(batch);
    if (!this.#scheduled) this.#turn();
  }

  /** Aborts the signal of a job, if it still runs. */
  abort({ batch, index, reason }: Extract<ToThread, { kind: "abort" }>): void {
    const job = this.#batches.get(batch)?.running.get(index);
    if (job !== undefined) this.#parts.executor.abort(job, reason);
  }

  /** Further jobs are cancelled: what runs of them is told. */
  cancelled(
    { ids, anew }: Extract<ToThread, { kind: "cancelled" }>,
  ): void {
    const { executor } = this.#parts;
    executor.cancelled(ids, anew);
    const asked = new Set(ids);
    for (const { running } of this.#batches.values()) {
      for (const job of running.values()) {
        if (asked.has(job.name)) executor.abort(job, "cancel");
      }
    }
  }

  /** A job may go on after updates, if it still runs. */
  reported(
    { batch, index, count }: Extract<ToThread, { kind: "reported" }>,
  ): void {
    this.#batches.get(batch)?.running.get(index)?.reports?.answered(count);
  }

  #turn(): void {
    this.#scheduled = false;
    this.#report();
    if (this.#waiting.length > 0 && this.#running < this.#parts.concurrency) {
      this.#parts.executor.turn(() => this.#startJobs());
    }
  }

  #startJobs(): void {
    const { executor, permit, concurrency } = this.#parts;
    const endsAtMs = Date.now() + TURN_MS;
    while (this.#running < concurrency && this.#waiting.length > 0) {
      const nowMs = Date.now();
      if (nowMs >= endsAtMs) return this.#schedule();
      if (!permit.mayStart(nowMs)) return this.#lookLater();
      const batch = this.#waiting[0];
      const index = batch.claimNext();
      if (index === -1) {
        this.#waiting.shift();
        return this.#schedule();
      }
      const pending = executor.execute(batch, index, nowMs);
      if (pending === undefined) continue;
      this.#running++;
      pending.then(() => {
        this.#running--;
        this.#schedule();
      });
    }
    this.#schedule();
  }

  #report(): void {
    for (const batch of this.#batches.values()) {
      const report = batch.takeReport();
      if (report !== undefined) this.#parts.post(report);
      if (batch.isOver) this.#batches.delete(batch.number);
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #lookLater(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => this.#turn(), DOUBT_LOOK_MS);
  }
}
