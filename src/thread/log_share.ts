/** The log shows so many lines of one kind a second. */
const SECOND_MS = 1_000;

/** A share of the log's lines: so many a second. Time is passed in. */
export class LogShare {
  readonly #perSecond: number;
  #endsAtMs = 0;
  #left = 0;

  /** @param perSecond 0: none at all; `Infinity`: all. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Whether there is room for one more; takes it. */
  take(nowMs: number): boolean {
    if (nowMs >= this.#endsAtMs || nowMs < this.#endsAtMs - SECOND_MS) {
      this.#endsAtMs = nowMs + SECOND_MS;
      this.#left = this.#perSecond;
    }
    return this.#left > 0 && this.#left-- > 0;
  }
}
