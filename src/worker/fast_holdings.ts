import type { Batch, Broker } from "../broker/broker.ts";
import type { Flight } from "./flight.ts";
import type { Ending, Holdings, Reserved } from "./holdings.ts";

/**
 * Fast mode: a job leaves the queue when it is taken, so nothing is held,
 * nothing is fenced, and what is lost with this process is lost.
 */
export class FastHoldings implements Holdings {
  readonly queue: string;
  readonly held = 0;
  readonly #broker: Broker;
  #unanswered = 0;

  /** Over one queue of a broker. */
  constructor(broker: Broker, queue: string) {
    this.#broker = broker;
    this.queue = queue;
  }

  get unanswered(): boolean {
    return this.#unanswered > 0;
  }

  async reserve(
    { limit, bytes }: { limit: number; bytes: number },
    adopt: (batch: Batch) => Flight,
  ): Promise<Reserved> {
    const { messages, cancels, blockedMs, againMs } = await this.#answer(
      this.#broker.take(this.queue, limit, bytes),
    );
    if (messages.length === 0) return { suspects: 0, blockedMs, againMs };
    const tokens = messages.map((_, index) => String(index));
    return {
      flight: adopt({ kind: "ready", tokens, messages, suspects: 0, cancels }),
      suspects: 0,
      againMs,
    };
  }

  reserveOnWake(): undefined {}

  async settle(endings: readonly Ending[]): Promise<void> {
    const outcomes: { id: string; outcome: string }[] = [];
    const again: { message: string; delayMs: number }[] = [];
    for (const { settlement } of endings) {
      if (settlement.kind === "retry") again.push(settlement);
      else if (
        settlement.id !== undefined && settlement.outcome !== undefined
      ) {
        outcomes.push({ id: settlement.id, outcome: settlement.outcome });
      }
    }
    if (outcomes.length > 0) {
      await this.#answer(this.#broker.record(this.queue, outcomes));
    }
    if (again.length > 0) await this.#enqueue(again);
  }

  /** What has not started goes to the end of its queue. */
  async release(flight: Flight, indices: readonly number[]): Promise<void> {
    const sent = indices.filter((index) => flight.leave(index));
    for (const index of sent) flight.gone(index);
    await this.#enqueue(
      sent.map((index) => ({ message: flight.messages[index] })),
    );
  }

  begin(_flight: Flight): Promise<void> {
    return Promise.resolve();
  }

  disagree(): Promise<void> {
    return Promise.resolve();
  }

  async #enqueue(
    jobs: readonly { message: string; delayMs?: number }[],
  ): Promise<void> {
    if (jobs.length === 0) return;
    await this.#answer(this.#broker.enqueue(
      jobs.map((job) => ({ id: "fast.0", queue: this.queue, ...job })),
    ));
  }

  /** Counts a command until it is answered: a process that ends awaits it. */
  async #answer<T>(command: Promise<T>): Promise<T> {
    this.#unanswered++;
    try {
      return await command;
    } finally {
      this.#unanswered--;
    }
  }
}
