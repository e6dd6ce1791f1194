/**
 * Lets so many workers start at a time: the first one alone, since it may find
 * out that none can work, then `together`.
 */
export class StartGate {
  readonly #together: number;
  readonly #urgent: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  #starting = 0;
  #opened = false;

  constructor(together: number) {
    this.#together = together;
  }

  /** Waits for its turn; dispose the permit when the start is over. */
  async enter(urgent: boolean): Promise<Disposable> {
    await new Promise<void>((resolve) => {
      (urgent ? this.#urgent : this.#waiting).push(resolve);
      this.#next();
    });
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#starting--;
        this.#next();
      },
    };
  }

  /** One worker is ready, so others can be as well. */
  open(): void {
    this.#opened = true;
    this.#next();
  }

  #next(): void {
    const limit = this.#opened ? this.#together : 1;
    while (this.#starting < limit) {
      const resolve = this.#urgent.shift() ?? this.#waiting.shift();
      if (resolve === undefined) return;
      this.#starting++;
      resolve();
    }
  }
}
