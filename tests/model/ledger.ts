/**
 * What the model knows of each job, so that it can say what must be true of
 * the store.
 *
 * @module
 */

import { FastJobs } from "./fast_jobs.ts";

/** Something that must never be so. */
export class Violation extends Error {
  override name = "Violation";
}

/**
 * How a job of the model behaves:
 *
 * - `plain`: is done at once;
 * - `flaky`: fails its first attempts;
 * - `failing`: fails all of them;
 * - `poison`: kills whoever runs it;
 * - `garbage`: is no message.
 */
export type JobKind = "plain" | "flaky" | "failing" | "poison" | "garbage";

/** A job, or equal messages without id: what the model says about a label. */
export interface Account {
  readonly label: string;
  readonly kind: JobKind;
  readonly queue: string;
  readonly retries: number;
  /** Attempts that a flaky job fails. */
  readonly failures: number;
  /** How long an attempt takes at least. */
  readonly runsMs: number;
  /** Whether a second copy of it would be an error. */
  readonly unique: boolean;
  /** Messages that the store took. */
  born: number;
  /** Messages that were settled as done while they were held. */
  done: number;
  /** Attempts that were charged for a crash. */
  charged: number;
  /** How often a worker said that it begins it as a suspect. */
  begun: number;
  /** Workers that it killed. */
  killed: number;
}

/** How a worker means to end what it holds. */
export interface Intent {
  readonly label: string;
  readonly end: "done" | "retry" | "failed" | "charged";
}

/** The accounts of all jobs, and what workers mean to do. */
export class Ledger {
  readonly accounts = new Map<string, Account>();
  readonly fast = new FastJobs();
  readonly #intents = new Map<string, Intent>();
  #ends = 0;

  open(
    account: Pick<
      Account,
      "label" | "kind" | "queue" | "retries" | "failures" | "runsMs" | "unique"
    >,
  ): void {
    this.accounts.set(account.label, {
      ...account,
      born: 0,
      done: 0,
      charged: 0,
      begun: 0,
      killed: 0,
    });
  }

  /** How often a job has ended, or has used an attempt. */
  get ends(): number {
    return this.#ends;
  }

  of(message: string): Account {
    const label = labelOf(message);
    const account = this.accounts.get(label);
    if (account === undefined) {
      throw new Violation(
        `the store has a message that nobody sent: ${message}`,
      );
    }
    return account;
  }

  /** The store took a message of a producer, or again one of a fast worker. */
  stored(owner: string, message: string): void {
    if (this.fast.has(owner)) return this.fast.returned(message);
    const account = this.of(message);
    account.born++;
    if (account.unique && account.born > 1) {
      throw new Violation(`${account.label} was stored twice`);
    }
  }

  /** A worker is about to settle this token so. */
  intend(
    worker: string,
    queue: string,
    token: string,
    intent: Intent,
  ): void {
    this.#intents.set(`${worker} ${queue} ${token}`, intent);
  }

  /** A fast worker has ended a job that the store does not know any more. */
  endedFast(message: string): void {
    this.#ends++;
    this.fast.ended(message);
  }

  /** The store has ended what a worker held under this token. */
  settled(
    worker: string,
    queue: string,
    token: string,
    message: string,
  ): void {
    const account = this.of(message);
    const intent = this.#intents.get(`${worker} ${queue} ${token}`);
    if (intent?.label !== account.label) {
      throw new Violation(
        `${worker} settled ${account.label} under ${token}, but there it had ` +
          `${intent?.label ?? "nothing that ended"}: the job is lost`,
      );
    }
    this.#ends++;
    if (intent.end === "done") account.done++;
    if (intent.end === "charged" && account.kind !== "garbage") {
      account.charged++;
      if (account.charged > account.begun) {
        throw new Violation(
          `${account.label} was charged for ${account.charged} crashes, but ` +
            `only ${account.begun} times a worker said that it begins it`,
        );
      }
    }
  }
}

const LABEL = /"args\\?":\[\\?"(\w+)/;

/** The label in a message, or in a message inside an entry of the failed set. */
export function labelOf(message: string): string {
  return LABEL.exec(message)?.[1] ?? "";
}
