/**
 * The right to drain for a suspect: one worker of a master has it at a time,
 * the next in the order of asking when that one is through.
 */
export class DrainGrant {
  readonly #grant: (worker: string) => void;
  readonly #asking = new Set<string>();
  #holder: string | undefined;

  constructor(grant: (worker: string) => void) {
    this.#grant = grant;
  }

  /** A worker asks for it. */
  ask(worker: string): void {
    // One that was through with a suspect and went on at once was never idle:
    // it asks for another one.
    if (worker === this.#holder) return this.#grant(worker);
    this.#asking.add(worker);
    this.#next();
  }

  /** A worker is idle, or gone: it neither has it nor asks for it. */
  end(worker: string): void {
    this.#asking.delete(worker);
    if (worker === this.#holder) this.#holder = undefined;
    this.#next();
  }

  #next(): void {
    if (this.#holder !== undefined) return;
    const [worker] = this.#asking;
    if (worker === undefined) return;
    this.#asking.delete(worker);
    this.#holder = worker;
    this.#grant(worker);
  }
}
