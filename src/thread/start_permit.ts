/**
 * Whether a job may start: the worker's last renewal must be young by both
 * clocks. The limits lie in memory that the main thread writes.
 */
export class StartPermit {
  readonly #limits: Float64Array;
  #checkedAtMs = NaN;
  #mayStart = false;

  /** @param lease Two `Float64`, as in the protocol's `start`. */
  constructor(lease: SharedArrayBuffer) {
    this.#limits = new Float64Array(lease);
  }

  /**
   * @param nowMs `Date.now()`. The clocks are read once per millisecond: that
   * is as exact, and much cheaper.
   */
  mayStart(nowMs: number = Date.now()): boolean {
    if (nowMs !== this.#checkedAtMs) {
      this.#checkedAtMs = nowMs;
      this.#mayStart = nowMs <= this.#limits[0] &&
        performance.now() <= this.#limits[1];
    }
    return this.#mayStart;
  }
}
