import { Histogram } from "../time/histogram.ts";

/** What was measured is forgotten after one to two of these. */
const PERIOD_MS = 300_000;

/** How long the jobs of each queue ran in the last minutes. */
export class RunTimes {
  #now = new Map<string, Histogram>();
  #before = new Map<string, Histogram>();
  #sinceMs: number;

  /** @param nowMs By `performance.now()`. */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Adds jobs of a queue; each measured one stands for `each`. */
  add(queue: string, milliseconds: readonly number[], each: number): void {
    if (milliseconds.length === 0) return;
    let histogram = this.#now.get(queue);
    if (histogram === undefined) {
      this.#now.set(queue, histogram = new Histogram());
    }
    for (const one of milliseconds) histogram.add(one, each);
  }

  /** The run times of the last five to ten minutes, by queue. */
  recent(nowMs: number): Map<string, Histogram> {
    if (nowMs - this.#sinceMs >= PERIOD_MS) {
      this.#before = this.#now;
      this.#now = new Map();
      this.#sinceMs = nowMs;
    }
    const recent = new Map<string, Histogram>();
    for (const part of [this.#before, this.#now]) {
      for (const [queue, histogram] of part) {
        if (!recent.has(queue)) recent.set(queue, new Histogram());
        recent.get(queue)!.merge(histogram);
      }
    }
    return recent;
  }
}
