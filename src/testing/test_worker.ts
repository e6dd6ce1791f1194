import { setImmediate } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { decodeMessage } from "../job/message.ts";
import { readPredecessors } from "../job/predecessors.ts";
import { tiesOf } from "../job/ties.ts";
import type { Middleware } from "../job/middleware.ts";
import { ImportAccess, type ImportRules } from "../loader/access.ts";
import { JobFunctions } from "../loader/functions.ts";
import { ModuleLoader } from "../loader/load.ts";
import { jobLog } from "../log.ts";
import { Executor } from "../thread/execute.ts";
import { withMiddleware } from "../thread/middleware.ts";
import { type Ended, type FromThread, Slot } from "../thread/protocol.ts";
import { JobRunner } from "../thread/runner.ts";
import type { RunningJob } from "../thread/running_job.ts";
import { StartPermit } from "../thread/start_permit.ts";
import { Notice } from "../time/notice.ts";
import { Cancellations } from "../worker/cancellations.ts";
import { Flight } from "../worker/flight.ts";
import { type Ending, LeasedHoldings } from "../worker/holdings.ts";
import { JobUpdates } from "../worker/job_updates.ts";
import { endedOf, settlementOf } from "../worker/outcomes.ts";
import { BATCH_BYTES, BATCH_JOBS } from "../worker/prefetch.ts";
import { ScheduleFirer } from "../worker/schedule_firer.ts";

/** As many asynchronous jobs at once as a worker runs if it is told nothing. */
const CONCURRENCY = 10;

/** The clock of a test: it stands still until the test moves it. */
export interface TestClock {
  /** Milliseconds since 1970. */
  nowMs: number;
}

/** What a test's worker needs. */
export interface TestWorkerParts {
  readonly broker: () => Promise<Broker>;
  readonly clock: TestClock;
  readonly rules: ImportRules;
  readonly use: readonly Middleware[];
  /** Jobs that are sent and not stored yet. */
  readonly sending: () => number;
}

/** A job that was reserved and is not settled. */
interface OpenJob {
  readonly flight: Flight;
  readonly index: number;
  /** When its ttl is over; known once its function runs. */
  deadlineMs?: number;
}

/**
 * Runs due jobs of all queues in this process, with the parts of a worker: its
 * holdings, and the runner of its job thread.
 */
export class TestWorker {
  readonly #parts: TestWorkerParts;
  readonly #executor: Executor;
  readonly #runner: JobRunner;
  readonly #ending = new AbortController();
  readonly #holdings = new Map<string, LeasedHoldings>();
  readonly #flights = new Map<number, Flight>();
  readonly #open = new Map<string, OpenJob>();
  /** When jobs become due, in milliseconds since 1970. */
  readonly #due = new Set<number>();
  readonly #changed = new Notice();
  readonly #cancellations: Cancellations;
  readonly #updates: JobUpdates;
  #changes = 0;
  #batches = 0;
  #starting: Promise<void> = Promise.resolve();

  constructor(parts: TestWorkerParts) {
    this.#parts = parts;
    this.#executor = new Executor({
      functions: new JobFunctions(
        new ImportAccess(parts.rules),
        new ModuleLoader({ stale: () => {} }),
        (found) => withMiddleware(found, parts.use, () => this.current()),
      ),
      rules: { ...parts.rules, fast: false },
      mayStart: () => true,
      wantsShown: () => false,
      unlock: (batch, index) => this.#unlock(batch, index),
      predecessors: (names) =>
        readPredecessors(
          names,
          async (queue, ids) => (await parts.broker()).results(queue, ids),
        ),
      post: (message) => this.#said(message),
      warn: (text) => jobLog.warn("{text}", { text }),
    });
    this.#cancellations = new Cancellations({
      cancelled: async (queue, after) =>
        await (await parts.broker()).cancelled(queue, after),
    }, (ids, anew) => this.#runner.cancelled({ kind: "cancelled", ids, anew }));
    this.#updates = new JobUpdates({
      updates: {
        append: async (...append) =>
          await (await parts.broker()).updates.append(...append),
      },
      worker: undefined,
      log: {
        updatesLost: (id, reason) =>
          jobLog.warn("Updates of job {id} are lost: {reason}", { id, reason }),
      },
      ending: this.#ending.signal,
      queueOf: (batch) => this.#flights.get(batch)?.queue,
      post: (message) => {
        if (message.kind === "reported") this.#runner.reported(message);
      },
      ended: (batch, jobs) => void this.#ended(batch, jobs),
    });
    this.#runner = new JobRunner({
      executor: this.#executor,
      permit: alwaysMayStart(),
      concurrency: CONCURRENCY,
      post: (message) => this.#said(message),
    });
  }

  /** The job on whose behalf the calling code runs. */
  current(): RunningJob | undefined {
    return this.#executor.current();
  }

  /** Whether some job was started and has not ended. */
  get busy(): boolean {
    return this.#open.size > 0;
  }

  /** Jobs were stored; some may run from `dueMs` on. */
  sent(dueMs: readonly number[]): void {
    for (const ms of dueMs) this.#due.add(ms);
    this.#change();
  }

  /** Jobs of a queue were cancelled: those that run are told. */
  async cancelled(queue: string): Promise<void> {
    await this.#cancellations.read(queue);
    this.#change();
  }

  /** Runs what is due, and what that sends, until nothing is left. */
  run(): Promise<void> {
    return this.#runUntil(() => this.#open.size === 0);
  }

  /**
   * Runs what is due, then moves the clock from one moment at which something
   * happens to the next, and runs what is due then. Of jobs that run already,
   * those are waited for whose ttl is over.
   */
  async advance(ms: number): Promise<void> {
    const { clock } = this.#parts;
    const targetMs = clock.nowMs + ms;
    // What `run` is about to start runs from now on, not from later.
    await this.#starting.catch(() => {});
    while (this.#isLoading()) await setImmediate();
    const running = new Set(this.#open.keys());
    for (;;) {
      await this.#runUntil(() =>
        this.#open.keys().every((key) => running.has(key))
      );
      if (clock.nowMs >= targetMs || this.#ending.signal.aborted) return;
      this.#setDeadlines();
      clock.nowMs = await this.#nextMoment(targetMs);
      for (const key of this.#abortOverdue()) running.delete(key);
    }
  }

  /** Aborts what runs; starts nothing more. */
  stop(): void {
    this.#ending.abort();
    for (const job of this.#open.values()) this.#abort(job, "shutdown");
    this.#change();
  }

  async #runUntil(done: () => boolean): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const changes = this.#changes;
      await this.#start();
      // Else something was sent or has ended since: there may be more to start.
      if (changes !== this.#changes) continue;
      if (this.#parts.sending() === 0 && done()) return;
      await this.#changed.next();
    }
  }

  /** One at a time: a worker reserves when its last reserve was answered. */
  #start(): Promise<void> {
    return this.#starting = this.#starting.catch(() => {})
      .then(() => this.#startDue());
  }

  async #startDue(): Promise<void> {
    const broker = await this.#parts.broker();
    for (const queue of await broker.queues()) {
      await this.#reap(broker, queue);
      const holdings = this.#holdingsOf(broker, queue);
      while (await this.#startBatch(holdings));
    }
  }

  async #reap(broker: Broker, queue: string): Promise<void> {
    for (;;) {
      const { more, schedulesDue } = await broker.reap(queue);
      if (schedulesDue) {
        const firer = new ScheduleFirer(broker.schedules);
        await firer.step(queue, this.#ending.signal);
      }
      if (!more) return;
    }
  }

  async #startBatch(holdings: LeasedHoldings): Promise<boolean> {
    const { flight, blockedMs, againMs } = await holdings.reserve(
      { limit: BATCH_JOBS, bytes: BATCH_BYTES, idle: false },
      (batch) =>
        new Flight(++this.#batches, holdings.queue, batch, performance.now()),
    );
    for (const ms of [blockedMs, againMs]) {
      if (ms !== undefined) this.#due.add(this.#parts.clock.nowMs + ms);
    }
    if (flight === undefined) return false;
    const { queue, cancels } = flight;
    if (!this.#cancellations.isKnown(queue, cancels)) {
      await this.#cancellations.read(queue);
    }
    const { number, messages } = flight;
    this.#flights.set(number, flight);
    messages.forEach((_, index) =>
      this.#open.set(keyOf(flight, index), { flight, index })
    );
    this.#runner.add({
      kind: "batch",
      batch: number,
      queue,
      messages,
      slots: flight.buffer,
    });
    return true;
  }

  #said(message: FromThread): void {
    if (message.kind === "ended") {
      this.#updates.ended(message.batch, endedOf(message), message.ran);
    } else if (message.kind === "report") this.#updates.add(message);
  }

  async #unlock(batch: number, index: number): Promise<void> {
    const { queue, messages } = this.#flights.get(batch)!;
    const ties = tiesOf(decodeMessage(messages[index]));
    if (ties === undefined) return;
    await (await this.#parts.broker()).unlock(queue, ties);
  }

  #holdingsOf(broker: Broker, queue: string): LeasedHoldings {
    let holdings = this.#holdings.get(queue);
    if (holdings === undefined) {
      holdings = new LeasedHoldings(
        broker,
        "test",
        queue,
        this.#ending.signal,
      );
      this.#holdings.set(queue, holdings);
    }
    return holdings;
  }

  async #ended(batch: number, jobs: readonly Ended[]): Promise<void> {
    const flight = this.#flights.get(batch)!;
    const ended = jobs.filter(({ index }) => flight.ended(index));
    const endings: Ending[] = ended.flatMap((end) => {
      const { index } = end;
      const settlement = settlementOf(flight, end);
      // Else it was told to stop: the test is over.
      return settlement === undefined ? [] : [{ flight, index, settlement }];
    });
    try {
      await this.#holdings.get(flight.queue)!.settle(endings);
    } catch {
      // The store was closed: nobody looks any more.
    }
    for (const { settlement } of endings) {
      if (settlement.kind !== "retry") continue;
      this.#due.add(this.#parts.clock.nowMs + settlement.delayMs);
    }
    for (const { index } of ended) this.#open.delete(keyOf(flight, index));
    if (flight.unended === 0) this.#flights.delete(flight.number);
    this.#change();
  }

  #isLoading(): boolean {
    return this.#open.values().some(({ flight, index }) =>
      flight.slot(index) === Slot.loading
    );
  }

  #setDeadlines(): void {
    const { nowMs } = this.#parts.clock;
    for (const job of this.#open.values()) {
      const { flight, index } = job;
      if (flight.slot(index) !== Slot.running) continue;
      const { ttl } = decodeMessage(flight.messages[index]);
      job.deadlineMs ??= nowMs + ttl * 1000;
    }
  }

  /** The next moment at which something happens, `limitMs` at the latest. */
  async #nextMoment(limitMs: number): Promise<number> {
    const { nowMs } = this.#parts.clock;
    let next = limitMs;
    for (const ms of this.#due) {
      if (ms <= nowMs) this.#due.delete(ms);
      else if (ms < next) next = ms;
    }
    const { schedules } = await this.#parts.broker();
    for (const { nextMs = Infinity } of await schedules.list()) {
      if (nextMs > nowMs && nextMs < next) next = nextMs;
    }
    for (const { deadlineMs = Infinity } of this.#open.values()) {
      if (deadlineMs > nowMs && deadlineMs < next) next = deadlineMs;
    }
    return next;
  }

  #abortOverdue(): string[] {
    const { nowMs } = this.#parts.clock;
    const overdue = [...this.#open].filter(([, { deadlineMs = Infinity }]) =>
      deadlineMs <= nowMs
    );
    for (const [, job] of overdue) this.#abort(job, "ttl");
    return overdue.map(([key]) => key);
  }

  #abort({ flight, index }: OpenJob, reason: "ttl" | "shutdown"): void {
    this.#runner.abort({ kind: "abort", batch: flight.number, index, reason });
  }

  #change(): void {
    this.#changes++;
    this.#changed.give();
  }
}

function keyOf(flight: Flight, index: number): string {
  return `${flight.number}:${index}`;
}

/** No lease lapses: nobody else works here. */
function alwaysMayStart(): StartPermit {
  const limits = new SharedArrayBuffer(16);
  new Float64Array(limits).fill(Infinity);
  return new StartPermit(limits);
}
