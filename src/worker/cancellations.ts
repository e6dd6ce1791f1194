import type { Broker, Cancelled } from "../broker/broker.ts";
import { brokerLog } from "../log.ts";

/** So many ids may be those of jobs that others have dropped long ago. */
const MANY = 10_000;

/** What a worker knows of cancelled jobs; read only after some were. */
export class Cancellations {
  readonly #broker: Pick<Broker, "cancelled">;
  readonly #told: (ids: readonly string[], anew: boolean) => void;
  /** By queue: the number of the last cancellation that is known. */
  readonly #numbers = new Map<string, number>();
  readonly #ids = new Set<string>();

  /** @param told Is told of further cancelled jobs; `anew`: others are forgotten. */
  constructor(
    broker: Pick<Broker, "cancelled">,
    told: (ids: readonly string[], anew: boolean) => void,
  ) {
    this.#broker = broker;
    this.#told = told;
  }

  /** Whether all cancellations up to this number are known. */
  isKnown(queue: string, cancels: number): boolean {
    return cancels === (this.#numbers.get(queue) ?? 0);
  }

  /** Whether a job is cancelled, as far as is known. */
  has(id: string | undefined): boolean {
    return id !== undefined && this.#ids.has(id);
  }

  /** Reads what was cancelled since it was last read; `false`: it can't be. */
  async read(queue: string): Promise<boolean> {
    try {
      await this.#read(queue);
      return true;
    } catch (error) {
      brokerLog.debug("cancelled: {error}", { error });
      return false;
    }
  }

  async #read(queue: string): Promise<void> {
    const anew = this.#ids.size > MANY;
    if (anew) {
      this.#ids.clear();
      this.#numbers.clear();
    }
    // A store that was emptied counts from one again.
    const known = this.#numbers.get(queue) ?? 0;
    let found = await this.#broker.cancelled(queue, known);
    if (found.cancels < known) found = await this.#broker.cancelled(queue, 0);
    this.#learn(queue, found, anew);
  }

  #learn(queue: string, { cancels, ids }: Cancelled, anew: boolean): void {
    this.#numbers.set(queue, cancels);
    if (ids.length === 0 && !anew) return;
    for (const id of ids) this.#ids.add(id);
    this.#told(ids, anew);
  }
}
