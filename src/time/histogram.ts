/** Steps of one doubling: a value is known to within a tenth. */
const STEPS = 4;
/** The value at which the steps begin: a microsecond. */
const LEAST_MS = 0.001;

/** How often which durations occurred: counts in steps that grow with them. */
export class Histogram {
  readonly #counts = new Map<number, number>();

  /** Counts a duration `times` times. */
  add(milliseconds: number, times = 1): void {
    const doublings = Math.log2(Math.max(milliseconds, LEAST_MS) / LEAST_MS);
    this.#count(Math.round(STEPS * doublings), times);
  }

  /** Counts all that `other` has counted. */
  merge(other: Histogram): void {
    for (const [step, times] of other.#counts) this.#count(step, times);
  }

  /**
   * The duration in milliseconds that `share` of all, from 0 to 1, do not
   * exceed; `undefined` if nothing was counted.
   */
  quantile(share: number): number | undefined {
    const steps = [...this.#counts].sort(([a], [b]) => a - b);
    let total = 0;
    for (const [, times] of steps) total += times;
    let below = 0;
    for (const [step, times] of steps) {
      below += times;
      if (below >= share * total) return LEAST_MS * 2 ** (step / STEPS);
    }
  }

  /** Its counts as text: `step:times,step:times`. */
  toString(): string {
    return [...this.#counts].map((pair) => pair.join(":")).join(",");
  }

  /** Reads what {@linkcode toString} printed; what can't be read counts nothing. */
  static parse(text: string): Histogram {
    const histogram = new Histogram();
    for (const pair of text.split(",")) {
      const [step, times] = pair.split(":").map(Number);
      if (Number.isInteger(step) && times > 0) histogram.#count(step, times);
    }
    return histogram;
  }

  #count(step: number, times: number): void {
    this.#counts.set(step, (this.#counts.get(step) ?? 0) + times);
  }
}
