/** A busy worker waits at most this long to become idle for a suspect. */
const PAUSE_MS = 5_000;
/** Then it goes on for this long, or a long job would idle its neighbours. */
const IGNORE_MS = 10_000;
/** A suspect known for this long is drained for without limit. */
const DRAIN_AFTER_MS = 30_000;
/**
 * A queue is heard of every 3 s, but not by a worker that reaps none, as with
 * very many queues: another has taken the suspect, perhaps.
 */
const FORGET_MS = 15_000;

/**
 * When a busy worker stops reserving so that it becomes idle and can take a
 * suspect, which runs with nothing beside it. Time is passed in.
 */
export class SuspectPolicy {
  /** By queue: when it was last heard that suspects wait there. */
  readonly #heardMs = new Map<string, number>();
  #knownSinceMs?: number;
  #pausedSinceMs?: number;
  #ignoreUntilMs = 0;
  #granted = false;

  /** A command or the reaper said how many suspects wait in a queue. */
  heard(queue: string, waiting: number, nowMs: number): void {
    if (waiting > 0) {
      this.#heardMs.set(queue, nowMs);
      this.#knownSinceMs ??= nowMs;
    } else this.#forget(queue);
  }

  /** At least one suspect waits, as far as is known. */
  get known(): boolean {
    return this.#knownSinceMs !== undefined;
  }

  /** Whether one waits in this queue, as far as is known. */
  waitsIn(queue: string): boolean {
    return this.#heardMs.has(queue);
  }

  /** Whether a busy worker may reserve ordinary jobs. */
  mayReserve(nowMs: number): boolean {
    for (const [queue, heardMs] of this.#heardMs) {
      if (nowMs - heardMs >= FORGET_MS) this.#forget(queue);
    }
    if (this.#knownSinceMs === undefined) return true;
    if (this.#granted) return false;
    if (nowMs < this.#ignoreUntilMs) return true;
    this.#pausedSinceMs ??= nowMs;
    if (nowMs - this.#pausedSinceMs < PAUSE_MS) return false;
    this.#pausedSinceMs = undefined;
    this.#ignoreUntilMs = nowMs + IGNORE_MS;
    return true;
  }

  /** It has waited long enough to ask the master for the right to drain. */
  wantsToDrain(nowMs: number): boolean {
    return !this.#granted && this.#knownSinceMs !== undefined &&
      nowMs - this.#knownSinceMs >= DRAIN_AFTER_MS;
  }

  /** The master lets this worker drain. */
  grant(): void {
    this.#granted = this.known;
  }

  #forget(queue: string): void {
    this.#heardMs.delete(queue);
    if (this.#heardMs.size > 0) return;
    this.#knownSinceMs = undefined;
    this.#pausedSinceMs = undefined;
    this.#granted = false;
  }
}
