import type { Settlement } from "../broker/broker.ts";
import { failAttempt } from "../job/attempt.ts";
import { decodeMessage, type Message } from "../job/message.ts";
import { tiesOf } from "../job/ties.ts";
import { Slot } from "../thread/protocol.ts";
import type { Flight } from "./flight.ts";
import { cancelledSettlement } from "./outcomes.ts";

/** The job thread limits loading itself; this is for one that is stuck in it. */
const LOAD_WITHIN_MS = 32_000;

/** After its signal aborted, a job has this long to end. */
export const GRACE_MS = 500;

/** What the watch does to jobs that overran. */
export interface TtlEvents {
  /** Whether a job that runs is to be stopped before its ttl. */
  cancelled(message: Message): boolean;
  /** Aborts the signal; answers with a ping that the thread must answer. */
  overran(overrun: Overrun): number;
  /** Whether the thread has answered that ping. */
  answered(ping: number): boolean;
  /** Past its grace, but the thread lives: replace the process when it can. */
  lingers(overrun: Overrun): void;
  /** Past its grace, and the thread is silent: the process must die now. */
  silent(overruns: readonly Overrun[]): void;
}

/** A job that is, or was, past its ttl, or is cancelled. */
export interface Overrun {
  readonly flight: Flight;
  readonly index: number;
  readonly message: Message;
  /** It was cancelled, which is treated as the end of its ttl. */
  readonly cancelled: boolean;
  /** When it was first seen to run, by `performance.now()`. */
  readonly sinceMs?: number;
}

interface Watched extends Overrun {
  cancelled: boolean;
  /** Whether it is loading its module or runs, and since when. */
  slot: number;
  sinceMs: number;
  state: "running" | "aborted" | "lingering";
  abortedAtMs: number;
  ping: number;
}

/**
 * Watches what runs. A job is
 *
 * - `running` from when it is first seen to run, until its ttl is over;
 * - `aborted`: its signal has aborted, and it has {@linkcode GRACE_MS} to end;
 * - `lingering`: it did not, but the thread answers pings, so its neighbours
 *   finish first and then the process is replaced.
 *
 * A thread that does not answer gets no further state: `silent` ends the
 * process. Only jobs that are seen to run are ever looked at, and few do at
 * one moment, so this costs nothing at a high rate.
 */
export class TtlWatch {
  readonly #events: TtlEvents;
  readonly #watched = new Map<string, Watched>();

  /** Time is passed to each {@linkcode look}. */
  constructor(events: TtlEvents) {
    this.#events = events;
  }

  /** Jobs that are past their grace and still run. */
  get lingering(): number {
    let count = 0;
    for (const { state } of this.#watched.values()) {
      if (state === "lingering") count++;
    }
    return count;
  }

  /** Jobs whose signal has aborted and that still run. */
  overruns(): Overrun[] {
    return [...this.#watched.values()].filter(({ state }) =>
      state !== "running"
    );
  }

  /** Whether the signal of this job has aborted for its ttl. */
  isOverrun(flight: Flight, index: number): boolean {
    const state = this.#watched.get(`${flight.number}:${index}`)?.state;
    return state === "aborted" || state === "lingering";
  }

  /** One look at all flights, some 20 times a second. */
  look(flights: Iterable<Flight>, nowMs: number): void {
    const running = new Set<string>();
    for (const flight of flights) {
      for (const index of flight.started()) {
        const key = `${flight.number}:${index}`;
        running.add(key);
        this.#step(key, { flight, index, slot: flight.slot(index) }, nowMs);
      }
    }
    for (const key of this.#watched.keys()) {
      if (!running.has(key)) this.#watched.delete(key);
    }
    const silent = [...this.#watched.values()].filter((watched) =>
      watched.state === "aborted" &&
      nowMs - watched.abortedAtMs >= GRACE_MS &&
      !this.#events.answered(watched.ping)
    );
    if (silent.length > 0) this.#events.silent(silent);
  }

  #step(
    key: string,
    job: { flight: Flight; index: number; slot: number },
    nowMs: number,
  ): void {
    const watched = this.#watched.get(key);
    if (watched === undefined || watched.slot !== job.slot) {
      const message = messageOf(job.flight, job.index);
      if (message === undefined) return;
      this.#watched.set(key, {
        ...job,
        message,
        cancelled: false,
        sinceMs: nowMs,
        state: "running",
        abortedAtMs: 0,
        ping: 0,
      });
    } else if (watched.state === "running") {
      const limitMs = watched.slot === Slot.loading
        ? LOAD_WITHIN_MS
        : watched.message.ttl * 1000;
      watched.cancelled = this.#events.cancelled(watched.message);
      if (!watched.cancelled && nowMs - watched.sinceMs < limitMs) return;
      watched.state = "aborted";
      watched.abortedAtMs = nowMs;
      watched.ping = this.#events.overran(watched);
    } else if (
      watched.state === "aborted" && nowMs - watched.abortedAtMs >= GRACE_MS &&
      this.#events.answered(watched.ping)
    ) {
      watched.state = "lingering";
      this.#events.lingers(watched);
    }
  }
}

/** What can't be read never runs: the thread is about to say so. */
function messageOf(flight: Flight, index: number): Message | undefined {
  try {
    return decodeMessage(flight.messages[index]);
  } catch {
    return undefined;
  }
}

/** Charges an overrun job for its attempt; one that was cancelled has ended. */
export function chargeOverrun(
  token: string,
  { flight, index, message, sinceMs, cancelled }: Overrun,
  { fast, name: worker }: { readonly fast: boolean; readonly name?: string },
): Settlement {
  if (cancelled) return cancelledSettlement(token, message);
  const startMs = sinceMs === undefined
    ? undefined
    : Math.round(Date.now() - (performance.now() - sinceMs));
  const failed = failAttempt(flight.messages[index], message, {
    name: "TtlExceededError",
    message: `The attempt exceeded its ttl of ${message.ttl} s`,
  }, { final: fast, run: { worker, startMs } });
  return { token, ...failed, ties: tiesOf(message) };
}
