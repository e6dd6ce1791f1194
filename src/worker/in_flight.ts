import type { Batch, Broker } from "../broker/broker.ts";
import { jobLog } from "../log.ts";
import { decodeMessage } from "../job/message.ts";
import { tiesOf } from "../job/ties.ts";
import type { WorkerConfig } from "../master/orders.ts";
import type { Ended, RunTimeSample } from "../thread/protocol.ts";
import type { Notice } from "../time/notice.ts";
import { sleep } from "../time/sleep.ts";
import { Cancellations } from "./cancellations.ts";
import { FastHoldings } from "./fast_holdings.ts";
import { Flight } from "./flight.ts";
import { type Ending, type Holdings, LeasedHoldings } from "./holdings.ts";
import type { JobLog } from "./job_log.ts";
import type { JobThread } from "./job_thread.ts";
import type { Lease } from "./lease.ts";
import {
  cancelledEnd,
  logEnded,
  settleCrashed,
  settlementOf,
} from "./outcomes.ts";
import { Prefetch } from "./prefetch.ts";
import { RunTimes } from "./run_times.ts";
import { Settler } from "./settler.ts";
import { chargeOverrun, type Overrun, TtlWatch } from "./ttl.ts";

/** How often the claim table is looked at while jobs are in flight. */
const LOOK_EVERY_MS = 50;

/** What the jobs in flight need of their worker. */
export interface InFlightParts {
  readonly config: WorkerConfig;
  readonly broker: Broker;
  readonly thread: JobThread;
  readonly lease: Lease;
  readonly log: JobLog;
  /** Given after every change. */
  readonly changed: Notice;
  /** Aborts when nothing may start any more. */
  readonly stopping: AbortSignal;
  /** Aborts when the process ends, and no command is repeated any more. */
  readonly ending: AbortSignal;
  /** A job of a queue has ended; `failed`: it went to the failed set. */
  ended(queue: string, how: Ended["kind"]): void;
  /** A job ignores that it is to end, its thread is alive. */
  lingers(overrun: Overrun): void;
  /** A job past its ttl blocks the thread. */
  silent(): void;
  /** A settle or release was given up. */
  givenUp(error: unknown): void;
  /** Called at each look. */
  looked(nowMs: number): void;
}

/**
 * The jobs between reserve and settle: hands batches to the job thread,
 * watches them, takes back what waits too long, and settles what ended.
 */
export class InFlightJobs {
  readonly holdings: ReadonlyMap<string, Holdings>;
  readonly prefetch: Prefetch;
  readonly runTimes = new RunTimes(performance.now());
  readonly #parts: InFlightParts;
  readonly #flights = new Map<number, Flight>();
  readonly #settlers = new Map<string, Settler>();
  readonly #ttl: TtlWatch;
  readonly #cancellations: Cancellations;
  #batches = 0;
  #beginning = 0;
  #done = 0;
  #looking: ReturnType<typeof setInterval> | undefined;
  /** Sent when jobs were taken back last. */
  #ping = 0;

  /** Nothing is in flight yet. */
  constructor(parts: InFlightParts) {
    const { config, broker, thread } = this.#parts = parts;
    this.prefetch = new Prefetch(config.concurrency);
    const holdings = new Map<string, Holdings>();
    for (const queue of config.queues) {
      const own = config.fast
        ? new FastHoldings(broker, queue)
        : new LeasedHoldings(broker, config.name, queue, parts.ending);
      holdings.set(queue, own);
      this.#settlers.set(
        queue,
        new Settler(own, parts.givenUp, () => parts.changed.give()),
      );
    }
    this.holdings = holdings;
    this.#cancellations = new Cancellations(
      broker,
      (ids, anew) => thread.post({ kind: "cancelled", ids, anew }),
    );
    this.#ttl = new TtlWatch({
      cancelled: ({ id }) => this.#cancellations.has(id),
      overran: (overrun) => this.#overran(overrun),
      answered: (ping) => thread.answered(ping),
      lingers: parts.lingers,
      silent: (overruns) => this.#silent(overruns),
    });
  }

  /** Jobs that are done, since the start. */
  get done(): number {
    return this.#done;
  }

  /** What the job thread has at this moment. */
  count(): { waiting: number; started: number } {
    let waiting = 0;
    let unended = this.#beginning;
    for (const flight of this.#flights.values()) {
      waiting += flight.count().waiting;
      unended += flight.unended;
    }
    return { waiting, started: unended - waiting };
  }

  /** A suspect is in flight: nothing may run beside it. */
  get runsAlone(): boolean {
    if (this.#beginning > 0) return true;
    for (const { kind } of this.#flights.values()) {
      if (kind === "suspect") return true;
    }
    return false;
  }

  /** Nothing is in flight, and all that was is settled. */
  get isIdle(): boolean {
    if (this.#flights.size > 0 || this.#beginning > 0) return false;
    for (const { held } of this.holdings.values()) if (held > 0) return false;
    return true;
  }

  /** Nothing runs but jobs that ignore that their ttl is over. */
  get isDrained(): boolean {
    const { waiting, started } = this.count();
    return waiting === 0 && started <= this.#ttl.lingering;
  }

  /** Makes a flight of a batch that was just reserved. */
  adopt(queue: string, batch: Batch): Flight {
    return new Flight(++this.#batches, queue, batch, performance.now());
  }

  /** Takes care of a flight. */
  async accept(flight: Flight): Promise<void> {
    if (this.#parts.config.verbosity >= 2) {
      jobLog.debug("Reserved from queue {queue} as {kind}: {tokens}", {
        queue: flight.queue,
        kind: flight.kind,
        tokens: flight.tokens.join(" "),
      });
    }
    // As a rule they are known, and then the flight leaves in this very turn.
    const isKnown = this.#cancellations.isKnown(flight.queue, flight.cancels);
    if (!isKnown && !await this.#readCancelled(flight.queue)) {
      return this.refuse(flight);
    }
    if (flight.kind === "crashed") return this.#settleCrashed(flight);
    if (flight.kind === "suspect") {
      // Nobody may hand it back while its token changes.
      this.#beginning++;
      try {
        await this.holdings.get(flight.queue)!.begin(flight);
      } finally {
        this.#beginning--;
      }
    }
    this.#flights.set(flight.number, flight);
    if (this.#parts.stopping.aborted) return this.takeBack();
    this.#looking ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#parts.thread.dispatch(flight);
  }

  /** Jobs of a queue that is served were cancelled. */
  cancelled(queue: string, cancels: number): void {
    if (this.#cancellations.isKnown(queue, cancels)) return;
    void this.#cancellations.read(queue);
  }

  /** A job is about to start that has its unique key only until then. */
  async unlock(batch: number, index: number): Promise<void> {
    const flight = this.#flights.get(batch);
    if (flight === undefined) return;
    const ties = tiesOf(decodeMessage(flight.messages[index]));
    if (ties === undefined) return;
    await this.#parts.broker.unlock(flight.queue, ties);
  }

  /** Hands back a flight that was not accepted. */
  refuse(flight: Flight): void {
    this.#release(flight, flight.takeBack());
  }

  /** The job thread says how jobs ended. */
  ended(batch: number, jobs: readonly Ended[], ran: RunTimeSample): void {
    const flight = this.#flights.get(batch);
    if (flight === undefined) return;
    this.runTimes.add(flight.queue, ran.milliseconds, ran.each);
    const endings: Ending[] = [];
    for (const ended of jobs) {
      if (!flight.ended(ended.index)) continue;
      this.#parts.ended(flight.queue, ended.kind);
      const settlement = settlementOf(flight, ended);
      if (settlement === undefined) {
        this.#release(flight, [ended.index]);
        continue;
      }
      if (ended.kind === "done") this.#done++;
      endings.push({ flight, index: ended.index, settlement });
      logEnded(this.#parts.log, flight, ended);
    }
    if (this.#parts.config.verbosity >= 2) {
      jobLog.debug("Ended of queue {queue}: {tokens}", {
        queue: flight.queue,
        tokens: jobs.map(({ index, kind }) => `${flight.tokens[index]} ${kind}`)
          .join(", "),
      });
    }
    this.#settlers.get(flight.queue)!.add(endings);
    this.prefetch.jobEnded();
    this.#forget(flight);
    this.#parts.changed.give();
  }

  /** The queue of a batch that is in flight. */
  queueOf(batch: number): string | undefined {
    return this.#flights.get(batch)?.queue;
  }

  /** Wins all jobs that have not started, and hands them back. */
  takeBack(): void {
    let count = 0;
    for (const flight of this.#flights.values()) {
      const indices = flight.takeBack();
      if (indices.length === 0) continue;
      count += indices.length;
      this.#release(flight, indices);
      this.#forget(flight);
    }
    if (count === 0) return;
    this.prefetch.takenBack();
    this.#ping = this.#parts.thread.ping();
    jobLog.debug("Took back {count} jobs that had not started", { count });
  }

  /** Wins all jobs that have not started; the broker is not told. */
  freeze(): void {
    for (const flight of this.#flights.values()) flight.takeBack();
  }

  /** Aborts the signals of all jobs that run. */
  abort(reason: "shutdown" | "lease"): void {
    for (const flight of this.#flights.values()) {
      for (const index of flight.started()) {
        this.#parts.thread.abort(flight, index, reason);
      }
    }
  }

  /** Hands back what runs; its process ends in a moment. */
  handBack(): void {
    for (const flight of this.#flights.values()) {
      const indices = flight.started().filter((index) =>
        !this.#ttl.isOverrun(flight, index) && flight.ended(index)
      );
      this.#release(flight, indices);
    }
  }

  /** Charges what is past its ttl; then all that ended is with the broker. */
  async settled(): Promise<void> {
    this.#charge(this.#ttl.overruns());
    await this.flush();
    // A suspect whose begin is not answered yet would be charged.
    while (this.#beginning > 0 || this.#unanswered()) await sleep(5);
  }

  /** All outcomes that are known are with the broker. */
  async flush(): Promise<void> {
    for (const settler of this.#settlers.values()) await settler.flush();
  }

  #unanswered(): boolean {
    for (const { unanswered } of this.holdings.values()) {
      if (unanswered) return true;
    }
    return false;
  }

  /** Reads what was cancelled before this flight, if that is not known. */
  async #readCancelled(queue: string): Promise<boolean> {
    this.#beginning++;
    try {
      return await this.#cancellations.read(queue);
    } finally {
      this.#beginning--;
    }
  }

  #settleCrashed(flight: Flight): void {
    const { config, log } = this.#parts;
    const endings = flight.messages.map((text, index) => {
      flight.ended(index);
      const dropped = cancelledEnd(
        flight.tokens[index],
        text,
        (id) => this.#cancellations.has(id),
      );
      if (dropped !== undefined) {
        log.cancelled(dropped.ties!.id);
        this.#parts.ended(flight.queue, "cancelled");
        return { flight, index, settlement: dropped };
      }
      const settlement = settleCrashed(flight, index, config.maxMemoryMb);
      const left = settlement.kind === "retry";
      this.#parts.ended(flight.queue, settlement.kind);
      log.failed(
        settlement.token,
        "the worker died while running only this job",
        left ? "it is tried again, alone" : "it has used up its attempts",
      );
      return { flight, index, settlement };
    });
    this.#settlers.get(flight.queue)!.add(endings);
  }

  #forget(flight: Flight): void {
    if (flight.unended > 0 || !this.#flights.delete(flight.number)) return;
    this.prefetch.batchEnded(performance.now() - flight.dispatchedAtMs);
    if (this.#flights.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  /** One look at what runs: take back what waits too long, and the ttl. */
  #look(): void {
    const nowMs = performance.now();
    // Grows with every batch, every start and every end.
    let moved = this.#batches + this.#done;
    for (const flight of this.#flights.values()) {
      moved += flight.count().moved;
      // The last of it may have gone without a word: another one has it.
      this.#forget(flight);
    }
    const { waiting, started } = this.count();
    const stuck = this.prefetch.isStuck(moved, nowMs);
    if (waiting > 0 && (stuck || this.#parts.lease.inDoubt)) this.takeBack();
    if (this.#parts.thread.answered(this.#ping)) {
      this.prefetch.answered(started);
    }
    this.#ttl.look(this.#flights.values(), nowMs);
    this.#parts.looked(nowMs);
    this.#parts.changed.give();
  }

  #release(flight: Flight, indices: readonly number[]): void {
    this.holdings.get(flight.queue)!.release(flight, indices)
      .catch(this.#parts.givenUp);
  }

  #overran({ flight, index, message, cancelled }: Overrun): number {
    const { log, thread } = this.#parts;
    if (!cancelled) {
      log.timedOut(message.id ?? flight.tokens[index], message.ttl);
    }
    thread.abort(flight, index, cancelled ? "cancel" : "ttl");
    return thread.ping();
  }

  #silent(overruns: readonly Overrun[]): void {
    this.takeBack();
    let started = 0;
    for (const flight of this.#flights.values()) {
      started += flight.started().length;
    }
    // With others beside it nobody knows which of them blocks the thread:
    // they stay held, are recovered as suspects, and run again, each alone.
    if (started === 1) this.#charge(overruns);
    this.#parts.silent();
  }

  #charge(overruns: readonly Overrun[]): void {
    const { config } = this.#parts;
    for (const overrun of overruns) {
      const { flight, index } = overrun;
      if (!flight.ended(index)) continue;
      const token = flight.tokens[index];
      const settlement = chargeOverrun(token, overrun, config);
      if (overrun.cancelled) this.#parts.log.cancelled(overrun.message.id!);
      const how = overrun.cancelled ? "cancelled" : settlement.kind;
      this.#parts.ended(flight.queue, how);
      this.#settlers.get(flight.queue)!.add([{ flight, index, settlement }]);
    }
  }
}
