/** A busy worker waits at most this long to become idle for a suspect. */
const PAUSE_MS = 5_000;
/** Then it goes on for this long, or a long job would idle its neighbours. */
const IGNORE_MS = 10_000;
/** A suspect known for this long is drained for without limit. */
const DRAIN_AFTER_MS = 30_000;

/**
 * When a busy worker stops reserving so that it becomes idle and can take a
 * suspect, which runs with nothing beside it. Time is passed in.
 */
export class SuspectPolicy {
  readonly #queues = new Set<string>();
  #knownSinceMs?: number;
  #pausedSinceMs?: number;
  #ignoreUntilMs = 0;
  #granted = false;

  /** A command or the reaper said how many suspects wait in a queue. */
  heard(queue: string, waiting: number, nowMs: number): void {
    if (waiting > 0) this.#queues.add(queue);
    else this.#queues.delete(queue);
    if (this.#queues.size === 0) {
      this.#knownSinceMs = undefined;
      this.#pausedSinceMs = undefined;
      this.#granted = false;
    } else {
      this.#knownSinceMs ??= nowMs;
    }
  }

  /** At least one suspect waits, as far as is known. */
  get known(): boolean {
    return this.#knownSinceMs !== undefined;
  }

  /** Whether a busy worker may reserve ordinary jobs. */
  mayReserve(nowMs: number): boolean {
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
}
