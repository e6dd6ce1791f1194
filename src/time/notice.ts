/** Something happened: wakes all who wait for it now. */
export class Notice {
  #waiting = Promise.withResolvers<void>();

  /** Wakes everyone who waits. */
  give(): void {
    const waiting = this.#waiting;
    this.#waiting = Promise.withResolvers<void>();
    waiting.resolve();
  }

  /** Resolves at the next {@linkcode give}. */
  next(): Promise<void> {
    return this.#waiting.promise;
  }

  /** Resolves once `condition` holds; looks at it at each {@linkcode give}. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.next();
  }
}
