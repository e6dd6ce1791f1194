/**
 * A program at the embedded file that is killed at any moment:
 * `sqlite_kills_child.ts <path> <name> <seed> [predecessor]`. It stores,
 * reserves, settles and hands back jobs as fast as it can, and says before and
 * after each command what it means to do and what was confirmed.
 *
 * @module
 */
import {
  type Batch,
  FencedError,
  MAX_BATCH_BYTES,
  type Settlement,
} from "../../src/broker/broker.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import { Random } from "./random.ts";

/** The queues that all of them use. */
export const QUEUES = ["a", "b"];

interface Held {
  readonly queue: string;
  token: string;
  /** `<id> <attempt>`. */
  readonly message: string;
  readonly kind: Batch["kind"];
}

class Child {
  readonly #broker: SqliteBroker;
  readonly #name: string;
  readonly #random: Random;
  #held: Held[] = [];
  #number = 0;

  constructor(broker: SqliteBroker, name: string, seed: number) {
    this.#broker = broker;
    this.#name = name;
    this.#random = new Random(seed);
  }

  async act(): Promise<void> {
    const held = this.#held.length;
    const choices = {
      enqueue: 4,
      reserve: held < 30 ? 5 : 0,
      begin: held > 0 ? 1 : 0,
      settle: held > 0 ? 5 : 0,
      release: held > 0 ? 1 : 0,
      renew: 1,
      reap: 1,
    };
    const actions = {
      enqueue: () => this.#enqueue(),
      reserve: () => this.#reserve(),
      begin: () => this.#begin(),
      settle: () => this.#settle(),
      release: () => this.#release(),
      renew: () => this.#broker.renew(this.#name, this.#heldQueues()),
      reap: () => this.#broker.reap(this.#random.pick(QUEUES)),
    } satisfies Record<keyof typeof choices, () => Promise<unknown>>;
    await actions[this.#random.weighted(choices)]();
  }

  /** One command stores all of these, or none. */
  async #enqueue(): Promise<void> {
    const queue = this.#random.pick(QUEUES);
    const ids = Array.from(
      { length: this.#random.whole(1, 8) },
      () => `${this.#name}.${this.#number++}`,
    );
    say("sends", queue, ...ids);
    await this.#broker.enqueue(ids.map((id) => ({
      id,
      queue,
      message: `${id} 1`,
      ...(this.#random.chance(0.2) && { delayMs: this.#random.whole(0, 200) }),
    })));
    say("stored", queue, ...ids);
  }

  async #reserve(): Promise<void> {
    const queue = this.#random.pick(QUEUES);
    const batch = await this.#broker.reserve(this.#name, queue, {
      limit: this.#random.whole(1, 12),
      bytes: MAX_BATCH_BYTES,
      known: this.#held.filter((job) => job.queue === queue).length,
      idle: this.#held.length === 0 || this.#random.chance(0.3),
    });
    batch.tokens.forEach((token, index) =>
      this.#held.push({
        queue,
        token,
        message: batch.messages[index],
        kind: batch.kind,
      })
    );
  }

  async #begin(): Promise<void> {
    const job = this.#held.find(({ kind }) => kind === "suspect");
    if (job === undefined) return;
    job.token = await this.#broker.begin(this.#name, job.queue, job.token);
  }

  async #settle(): Promise<void> {
    const jobs = this.#leaving();
    if (jobs.length === 0) return;
    const settlements = jobs.map((job) => this.#end(job));
    const ended = jobs.filter((_, i) => settlements[i].kind !== "retry")
      .map(({ message }) => message.split(" ")[0]);
    say("ends", jobs[0].queue, ...ended);
    const count = await this.#broker.settle(
      this.#name,
      jobs[0].queue,
      settlements,
    );
    if (count !== jobs.length) {
      say("wrong", `settled ${count} of ${jobs.length}`);
    }
    say("ended", jobs[0].queue, ...ended);
  }

  #end({ token, message }: Held): Settlement {
    const [id, attempt] = message.split(" ");
    if (this.#random.chance(0.2)) {
      return {
        kind: "retry",
        token,
        message: `${id} ${Number(attempt) + 1}`,
        delayMs: this.#random.whole(0, 200),
        alone: this.#random.chance(0.3),
      };
    }
    if (this.#random.chance(0.1)) {
      return { kind: "failed", token, entry: id };
    }
    return { kind: "done", token, id, outcome: id };
  }

  async #release(): Promise<void> {
    const jobs = this.#leaving();
    if (jobs.length === 0) return;
    const tokens = jobs.map(({ token }) => token);
    await this.#broker.release(this.#name, jobs[0].queue, tokens);
  }

  /** Some of what is held in one queue; not held any more. */
  #leaving(): Held[] {
    const { queue } = this.#random.pick(this.#held);
    const jobs = this.#held.filter((job) =>
      job.queue === queue && this.#random.chance(0.6)
    );
    this.#held = this.#held.filter((job) => !jobs.includes(job));
    return jobs;
  }

  #heldQueues(): string[] {
    return QUEUES.filter((queue) =>
      this.#held.some((job) => job.queue === queue)
    );
  }
}

function say(...words: string[]): void {
  Deno.stdout.writeSync(new TextEncoder().encode(words.join(" ") + "\n"));
}

if (import.meta.main) {
  const [path, name, seed, predecessor] = Deno.args;
  const broker = await SqliteBroker.open({ kind: "sqlite", path });
  if (predecessor !== undefined) {
    for (const queue of QUEUES) {
      await broker.recover(predecessor, queue, "replaced");
    }
  }
  say("ready");
  const child = new Child(broker, name, Number(seed));
  for (;;) {
    try {
      await child.act();
    } catch (error) {
      // So starved that its lease has lapsed.
      if (!(error instanceof FencedError)) throw error;
      say("fenced");
      Deno.exit(0);
    }
  }
}
