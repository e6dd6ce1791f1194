import type {
  Batch,
  Broker,
  ReserveOnWake,
  WakeRequest,
} from "../broker/broker.ts";
import type { Notice } from "../time/notice.ts";
import { sleep } from "../time/sleep.ts";
import type { Flight } from "./flight.ts";
import type { Holdings, Reserved } from "./holdings.ts";
import type { Lease, Moment } from "./lease.ts";
import {
  BATCH_BYTES,
  BATCH_JOBS,
  type InFlight,
  isAll,
  type Prefetch,
} from "./prefetch.ts";
import { QueueOrder } from "./queue_order.ts";
import { type ReserveErrorEvents, ReserveErrors } from "./reserve_errors.ts";
import type { SuspectPolicy } from "./suspects.ts";

/**
 * With more queues, only those are asked that had jobs at the last look, each
 * until it is empty.
 */
const ASK_ALL_QUEUES = 8;
/** How soon a job in an earlier queue than those is seen by a busy worker. */
const LOOK_AGAIN_MS = 250;
/**
 * With fewer, how soon a busy worker asks one again that was empty: to ask it
 * before every batch of a later queue would cost a round trip each time.
 */
const ASK_EMPTY_AGAIN_MS = 20;

/** A reserve that is under way. */
interface Asked {
  readonly queue: string;
  readonly limit: number;
  readonly moment: Moment;
  /** What this worker had of the queue before. */
  readonly held: number;
  readonly answer: Promise<Reserved>;
}

/** What the intake needs of its worker. */
export interface IntakeParts extends ReserveErrorEvents {
  readonly broker: Broker;
  readonly worker: string;
  readonly queues: readonly string[];
  readonly weights?: Readonly<Record<string, number>>;
  readonly holdings: ReadonlyMap<string, Holdings>;
  readonly prefetch: Prefetch;
  readonly suspects: SuspectPolicy;
  readonly lease: Lease;
  /** Given whenever a condition below may have changed. */
  readonly changed: Notice;
  /** What the job thread has at this moment. */
  inFlight(): InFlight;
  /** A job that must run alone is in flight. */
  runsAlone(): boolean;
  /** Makes a flight of a batch. */
  adopt(queue: string, batch: Batch): Flight;
  /** Takes care of a flight. */
  accept(flight: Flight): Promise<void>;
  /** Hands a flight back instead. */
  refuse(flight: Flight): void;
  /** Nothing was there to reserve, and nothing is in flight. */
  idle(): void;
}

/** How the intake tells and passes time; a test has its own. */
export interface IntakeTime {
  nowMs(): number;
  /** Waits before something is tried again. */
  pause(milliseconds: number, signal: AbortSignal): Promise<void>;
}

const REAL_TIME: IntakeTime = { nowMs: () => performance.now(), pause: sleep };

/**
 * The loop that keeps the job thread in work: reserves from the queues in
 * strict order, as much as the prefetch allows, and waits when all are empty.
 */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #stopping: AbortSignal;
  readonly #time: IntakeTime;
  readonly #order: QueueOrder;
  /** What a wake-up is to bring. */
  readonly onWake: ReserveOnWake;
  /** A reserve is under way that may bring a suspect. */
  #asksIdle = false;
  /** The queues that were asked last had no more than they gave. */
  #emptied = false;
  readonly #errors: ReserveErrors;

  /** @param stopping Aborts when nothing may be reserved any more. */
  constructor(
    parts: IntakeParts,
    stopping: AbortSignal,
    time: IntakeTime = REAL_TIME,
  ) {
    this.#parts = parts;
    this.#stopping = stopping;
    this.#time = time;
    this.#order = new QueueOrder(
      parts.queues,
      parts.weights,
      (queue) => parts.holdings.get(queue)!.held,
    );
    const { queues, broker } = parts;
    this.#errors = new ReserveErrors(queues.length, broker.isSpread, parts);
    this.onWake = {
      worker: parts.worker,
      request: (queue) => this.#reserveOnWake(queue),
    };
  }

  /** Runs until `stopping` aborts. */
  async run(): Promise<void> {
    let named = this.#all();
    let lookedAtMs = this.#time.nowMs();
    while (!this.#stopping.aborted) {
      const limit = this.#limit();
      if (limit === 0) {
        await Promise.race([this.#parts.changed.next(), sleep(500)]);
        continue;
      }
      const ageMs = this.#time.nowMs() - lookedAtMs;
      const idle = this.#nothingInFlight();
      if (this.#askAll && (idle || ageMs >= ASK_EMPTY_AGAIN_MS)) {
        named = this.#all();
        lookedAtMs = this.#time.nowMs();
      }
      if (this.#askAll || idle || ageMs < LOOK_AGAIN_MS) {
        const asked = named.size;
        const outcome = await this.reserve(limit, named);
        if (outcome === "error") named = this.#all();
        if (outcome !== "empty") continue;
        if (this.#askAll && asked < this.#all().size) {
          // All of them are asked before it waits.
          lookedAtMs = -Infinity;
          continue;
        }
        if (this.#nothingInFlight()) this.#parts.idle();
      }
      const found = await this.#wait();
      lookedAtMs = this.#time.nowMs();
      named = found.length === 0 || this.#askAll ? this.#all() : new Set(found);
    }
  }

  get #askAll(): boolean {
    return this.#parts.queues.length <= ASK_ALL_QUEUES;
  }

  #all(): Set<string> {
    return new Set(this.#parts.queues);
  }

  #nothingInFlight(): boolean {
    const { waiting, started } = this.#parts.inFlight();
    return waiting + started === 0;
  }

  /** How many jobs may be reserved at this moment. */
  #limit(): number {
    const { prefetch, suspects, lease, inFlight, runsAlone } = this.#parts;
    if (this.#stopping.aborted || lease.inDoubt || runsAlone()) return 0;
    if (this.#nothingInFlight()) {
      prefetch.jobEnded();
    } else if (!suspects.mayReserve(this.#time.nowMs())) return 0;
    return prefetch.limit(inFlight());
  }

  /**
   * Asks the named queues in their order, once each, for `limit` jobs. What turns
   * out to be empty is named no more.
   */
  async reserve(
    limit: number,
    named: Set<string>,
  ): Promise<"got" | "empty" | "error"> {
    const queues = this.#order.turn(this.#time.nowMs())
      .filter((queue) => named.has(queue));
    const { suspects } = this.#parts;
    if (suspects.known && this.#nothingInFlight()) {
      // Only now one can be had, and earlier queues always have other jobs.
      queues.sort((a, b) => +suspects.waitsIn(b) - +suspects.waitsIn(a));
    }
    const asked: Asked[] = [];
    let left = limit;
    let failed: { queue: string; error: unknown } | undefined;
    let gotAny = false;
    // A queue may have more, which comes before what later ones have.
    let full = false;
    for (;;) {
      const more = queues.length > 0 && left > 0 && !full && !failed;
      const beside = asked.length === 1 && this.#mayAskBeside(left);
      if (more && (asked.length === 0 || beside)) {
        const idle = asked.length === 0 && this.#nothingInFlight();
        const queue = queues.shift()!;
        // Asked early for a suspect; others would be out of their order.
        const most = idle && suspects.waitsIn(queue) ? 1 : BATCH_JOBS;
        const ask = this.#ask(queue, Math.min(left, most), idle);
        left -= ask.limit;
        asked.push(ask);
        continue;
      }
      const ask = asked.shift();
      if (ask === undefined) {
        if (failed === undefined) return gotAny ? "got" : "empty";
        if (await this.#met(failed.queue, failed.error)) return "error";
        failed = undefined;
        continue;
      }
      try {
        const { flight, emptied } = await this.#answered(ask, named);
        left += ask.limit - (flight?.messages.length ?? 0);
        full ||= !emptied;
        if (!full) this.#emptied = true;
        else if (ask.limit === BATCH_JOBS) this.#emptied = false;
        if (flight === undefined) continue;
        gotAny = true;
        await this.#parts.accept(flight);
      } catch (error) {
        left += ask.limit;
        failed = { queue: ask.queue, error };
      }
    }
  }

  /**
   * Many queues with few jobs would take a round trip each. If the last one was
   * emptied at once, the next one will be too, as a rule; else one batch of a
   * later one comes before the rest of it.
   */
  #mayAskBeside(left: number): boolean {
    return this.#emptied && !this.#askAll && !this.#asksIdle &&
      left >= BATCH_JOBS / 2;
  }

  #ask(queue: string, limit: number, idle: boolean): Asked {
    const { holdings, lease, adopt } = this.#parts;
    const moment = lease.moment();
    this.#asksIdle = idle;
    const own = holdings.get(queue)!;
    const request = { limit, bytes: BATCH_BYTES, idle };
    const answer = own.reserve(request, (batch) => adopt(queue, batch));
    // It may fail before somebody waits for it.
    answer.catch(() => {});
    return { queue, limit, moment, held: own.held, answer };
  }

  async #answered(
    { queue, limit, moment, held, answer }: Asked,
    named: Set<string>,
  ): Promise<{ flight?: Flight; emptied: boolean }> {
    const { holdings, suspects, lease } = this.#parts;
    try {
      const { flight, suspects: waiting, blockedMs, againMs } = await answer;
      const nowMs = this.#time.nowMs();
      // Else nobody was asked.
      if (waiting !== undefined) this.#errors.answered(queue);
      if (blockedMs !== undefined) {
        this.#order.close(queue, nowMs + blockedMs, held);
      }
      this.#order.askAgain(queue, againMs && nowMs + againMs);
      if (waiting !== undefined) suspects.heard(queue, waiting, nowMs);
      const emptied = flight === undefined || isAll(flight, limit);
      if (flight === undefined || emptied && !this.#askAll) named.delete(queue);
      if (flight !== undefined && holdings.get(queue)!.held > 0) {
        lease.renewed(queue, moment);
      }
      return { flight, emptied };
    } finally {
      this.#asksIdle = false;
    }
  }

  #reserveOnWake(queue: string): WakeRequest | undefined {
    const { holdings, suspects, lease, runsAlone } = this.#parts;
    const limit = Math.min(this.#limit(), BATCH_JOBS);
    if (limit === 0) return;
    const moment = lease.moment();
    return holdings.get(queue)!.reserveOnWake(
      { limit, bytes: BATCH_BYTES },
      (batch) => this.#parts.adopt(queue, batch),
      ({ flight, suspects: waiting, againMs }, stale) => {
        const nowMs = this.#time.nowMs();
        suspects.heard(queue, waiting, nowMs);
        this.#order.askAgain(queue, againMs && nowMs + againMs);
        lease.renewed(queue, moment);
        // Nothing may run beside a suspect, or start when all is to end.
        const late = stale || this.#stopping.aborted;
        const alone = runsAlone() || this.#asksIdle;
        if (late || alone) this.#parts.refuse(flight);
        else void this.#parts.accept(flight);
        this.#parts.changed.give();
      },
    );
  }

  /** Deals with an error; `true`: all queues are to be asked anew. */
  async #met(queue: string, error: unknown): Promise<boolean> {
    const nowMs = this.#time.nowMs();
    const { anewMs, restMs } = this.#errors.met(queue, error, nowMs);
    if (restMs !== undefined) this.#order.close(queue, nowMs + restMs);
    if (anewMs === undefined) return false;
    await this.#time.pause(anewMs, this.#stopping);
    return true;
  }

  /**
   * Waits until a queue may have ready jobs, or until a suspect can be taken,
   * or nothing may be reserved any more.
   */
  async #wait(): Promise<readonly string[]> {
    const { broker, changed, suspects } = this.#parts;
    const end = new AbortController();
    const signal = AbortSignal.any([this.#stopping, end.signal]);
    const nowMs = this.#time.nowMs();
    const open = this.#order.open(nowMs);
    const { nextMs } = this.#order;
    let busy = !this.#nothingInFlight();
    const watching = (async () => {
      while (!signal.aborted) {
        await changed.next();
        const idle = this.#nothingInFlight();
        if (busy && idle) this.#parts.idle();
        busy = !idle;
        const opened =
          this.#order.open(this.#time.nowMs()).length > open.length;
        const sooner = this.#order.nextMs < nextMs;
        const changes = suspects.known && idle || opened || sooner;
        if (changes || this.#limit() === 0) end.abort();
      }
    })();
    const asking = nextMs === Infinity
      ? undefined
      : setTimeout(() => end.abort(), nextMs - nowMs);
    try {
      if (open.length === 0) {
        await new Promise((resolve) =>
          signal.addEventListener("abort", resolve, { once: true })
        );
        return [];
      }
      const named = await broker.wait(open, signal, this.onWake);
      // What woke us is for another if we can't take it.
      if (this.#askAll && named.length > 0 && this.#limit() === 0) {
        for (const queue of named) await broker.pass(queue);
      }
      return named;
    } catch (error) {
      const laterMs = this.#errors.waited(open[0], error, this.#time.nowMs());
      await this.#time.pause(laterMs, this.#stopping);
      return [];
    } finally {
      clearTimeout(asking);
      end.abort();
      changed.give();
      await watching;
    }
  }
}
