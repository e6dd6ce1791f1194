import { labelOf, Violation } from "./ledger.ts";

/** Jobs of one label that left the store for good. */
export interface FastAccount {
  /** Messages that the store gave to fast workers. */
  taken: number;
  /** Of these, put back by them. */
  returned: number;
  /** Of these, ended. */
  ended: number;
  /** Of these, perhaps lost, as fast mode allows: its worker died, or an answer was lost. */
  excused: number;
}

/** One answer of the store to a fast worker. */
export interface Taken {
  readonly worker: string;
  readonly messages: readonly string[];
  state: "on its way" | "lost" | "received";
}

/**
 * What fast workers took: the store does not know it any more, so each job
 * must have ended, be back in the store, or be lost for a reason.
 */
export class FastJobs {
  readonly #workers = new Set<string>();
  readonly #accounts = new Map<string, FastAccount>();
  readonly #taken: Taken[] = [];

  /** A worker is one of fast mode. */
  register(worker: string): void {
    this.#workers.add(worker);
  }

  has(worker: string): boolean {
    return this.#workers.has(worker);
  }

  /** What was taken of one label. */
  of(label: string): FastAccount {
    let account = this.#accounts.get(label);
    if (account === undefined) {
      account = { taken: 0, returned: 0, ended: 0, excused: 0 };
      this.#accounts.set(label, account);
    }
    return account;
  }

  /** Messages that the store does not have any more. */
  gone(label: string): number {
    const { taken, returned } = this.of(label);
    return taken - returned;
  }

  /** Jobs that were lost. */
  get lost(): number {
    let lost = 0;
    for (const { taken, returned, ended } of this.#accounts.values()) {
      lost += taken - returned - ended;
    }
    return lost;
  }

  /** The store gave these away. */
  took(worker: string, messages: readonly string[]): Taken {
    for (const message of messages) this.of(labelOf(message)).taken++;
    const taken: Taken = { worker, messages, state: "on its way" };
    this.#taken.push(taken);
    return taken;
  }

  /** Nobody hears of this answer. */
  answerLost(taken: Taken): void {
    if (taken.state !== "on its way") return;
    taken.state = "lost";
    this.excuse(taken.messages);
  }

  /** The worker has them. */
  received(worker: string, messages: readonly string[]): void {
    const taken = this.#taken.find((one) => one.messages === messages);
    if (taken?.worker !== worker || taken.state === "received") {
      throw new Violation(`${worker} has jobs that the store did not give it`);
    }
    // The answer to a second run of the same command was lost, not this one.
    if (taken.state === "lost") {
      for (const message of messages) this.of(labelOf(message)).excused--;
    }
    taken.state = "received";
  }

  /** The store has them again. */
  returned(message: string): void {
    this.of(labelOf(message)).returned++;
  }

  ended(message: string): void {
    this.of(labelOf(message)).ended++;
  }

  /** These may be lost. */
  excuse(messages: readonly string[]): void {
    for (const message of messages) this.of(labelOf(message)).excused++;
  }

  /** Each job that is gone has ended, or there is a reason. */
  check(label: string): void {
    const gone = this.gone(label);
    const { ended, excused } = this.of(label);
    if (gone >= ended && gone <= ended + excused) return;
    throw new Violation(
      `fast workers have ${gone} of ${label}: ${ended} ended, and only ` +
        `${excused} may be lost`,
    );
  }
}
