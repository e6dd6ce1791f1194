/** A queue of which nothing can be had for now. */
interface Closed {
  readonly untilMs: number;
  readonly held: number;
}

/**
 * In which order a worker asks its queues: strictly as they were named, or, if
 * they have weights, each first as often as its weight says.
 */
export class QueueOrder {
  readonly #queues: readonly string[];
  readonly #weights: Readonly<Record<string, number>> | undefined;
  /** By queue: what it is behind its share. */
  readonly #behind = new Map<string, number>();
  readonly #closed = new Map<string, Closed>();
  readonly #askAgainMs = new Map<string, number>();
  readonly #held: (queue: string) => number;

  /**
   * @param weights By queue; left out: strict order.
   * @param held How many jobs of a queue this worker has.
   */
  constructor(
    queues: readonly string[],
    weights?: Readonly<Record<string, number>>,
    held: (queue: string) => number = () => 0,
  ) {
    this.#queues = queues;
    this.#weights = weights;
    this.#held = held;
  }

  /**
   * No job of this queue can be had until then, or until this worker has fewer
   * than the `held` jobs that it had when it asked: a limit may let one go.
   */
  close(queue: string, untilMs: number, held = 0): void {
    this.#closed.set(queue, { untilMs, held });
  }

  /** Of this queue more jobs can be had from then on; nothing: nobody knows. */
  askAgain(queue: string, atMs: number | undefined): void {
    if (atMs !== undefined) this.#askAgainMs.set(queue, atMs);
    else this.#askAgainMs.delete(queue);
  }

  /** The queues of which jobs may be had, in the order of this turn. */
  turn(nowMs: number): readonly string[] {
    for (const [queue, atMs] of this.#askAgainMs) {
      if (atMs <= nowMs) this.#askAgainMs.delete(queue);
    }
    const open = this.open(nowMs);
    if (this.#weights === undefined || open.length < 2) return open;
    // Smooth weighted round robin, as nginx spreads requests over servers.
    let sum = 0;
    for (const queue of open) {
      const weight = this.#weights[queue];
      sum += weight;
      this.#behind.set(queue, (this.#behind.get(queue) ?? 0) + weight);
    }
    const order = open.toSorted((a, b) =>
      this.#behind.get(b)! - this.#behind.get(a)!
    );
    this.#behind.set(order[0], this.#behind.get(order[0])! - sum);
    return order;
  }

  /** The queues of which jobs may be had. */
  open(nowMs: number): readonly string[] {
    if (this.#closed.size === 0) return this.#queues;
    for (const [queue, { untilMs, held }] of this.#closed) {
      if (untilMs <= nowMs || this.#held(queue) < held) {
        this.#closed.delete(queue);
      }
    }
    return this.#queues.filter((queue) => !this.#closed.has(queue));
  }

  /** When the queues are to be asked again in any case; `Infinity`: never. */
  get nextMs(): number {
    let next = Math.min(...this.#askAgainMs.values());
    for (const { untilMs } of this.#closed.values()) {
      next = Math.min(next, untilMs);
    }
    return next;
  }
}
