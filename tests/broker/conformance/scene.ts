import assert from "node:assert/strict";
import {
  type Batch,
  type Broker,
  type Counts,
  MAX_BATCH_BYTES,
  MAX_BATCH_JOBS,
  type Reaped,
  type ReserveRequest,
  type Settlement,
  TICK_MS,
} from "../../../src/broker/broker.ts";
import type {
  Inspector,
  JobRecord,
  JobState,
} from "../../../src/broker/inspector.ts";
import type { Store, TestLimits } from "./store.ts";

/** Declares one case: a sentence that is true of every broker. */
export type Test = (
  sentence: string,
  run: (scene: Scene) => Promise<void>,
  limits?: TestLimits,
) => void;

const NOTHING: Counts = {
  ready: 0,
  suspect: 0,
  crashed: 0,
  held: 0,
  heldByLate: 0,
  retry: 0,
  scheduled: 0,
  failed: 0,
};

/** `n` different messages: `m0`, `m1`, ... */
export function messages(n: number, prefix = "m"): string[] {
  return Array.from({ length: n }, (_, i) => prefix + i);
}

/** What a case works with: a queue and a producer of its own. */
export class Scene {
  readonly queue: string = `q-${crypto.randomUUID().slice(0, 8)}`;
  readonly producer: string = `p-${crypto.randomUUID().slice(0, 8)}`;
  readonly broker: Broker;
  readonly inspector: Inspector;
  #next = 0;

  constructor(readonly store: Store) {
    this.broker = store.broker;
    this.inspector = store.inspector;
  }

  /** Id of a job that does not exist yet. */
  newId(): string {
    return `${this.producer}.${this.#next++}`;
  }

  /** Stores jobs that may run at once, and answers with their ids. */
  push(...texts: string[]): Promise<string[]> {
    return this.broker.enqueue(texts.map((message) => ({
      id: this.newId(),
      queue: this.queue,
      message,
    })));
  }

  /** A worker that never worked before. */
  worker(broker: Broker = this.broker): TestWorker {
    return new TestWorker(broker, this.queue);
  }

  /** Lets `n` ticks pass; answers with what the last step saw. */
  async tick(n = 1): Promise<Reaped> {
    let last: Reaped | undefined;
    for (let i = 0; i < n; i++) {
      await this.store.advance(TICK_MS);
      last = await this.broker.reap(this.queue);
      assert.equal(last.advanced, true);
    }
    return last!;
  }

  /** Lets time pass and moves all jobs that are due then. */
  async pass(ms: number): Promise<void> {
    await this.store.advance(ms);
    let steps = 0;
    while ((await this.broker.reap(this.queue)).more) {
      assert.ok(++steps < 100, "the reaper has no end");
    }
  }

  /** Takes all waiting jobs out, oldest first. */
  async drain(): Promise<string[]> {
    const drained: string[] = [];
    for (;;) {
      const taken = await this.broker.take(
        this.queue,
        MAX_BATCH_JOBS,
        MAX_BATCH_BYTES,
      );
      if (taken.messages.length === 0) return drained;
      drained.push(...taken.messages);
    }
  }

  /** Checks how many jobs are in which state; none in those left out. */
  async counts(expected: Partial<Counts>, queue = this.queue): Promise<void> {
    const [actual] = await this.broker.counts([queue]);
    assert.deepEqual({ ...actual }, { ...NOTHING, ...expected });
  }

  async result(id: string): Promise<string | null> {
    return (await this.broker.results(this.queue, [id]))[0];
  }

  /** All jobs of one state, as an inspector lists them. */
  async jobs(state: JobState): Promise<JobRecord[]> {
    return await Array.fromAsync(this.inspector.jobs(this.queue, state));
  }

  /**
   * Leaves jobs as dead workers do: `crashed` ones died alone with theirs,
   * `suspects` had neighbours. Nothing else may wait in the queue.
   */
  async leave(
    { crashed = [], suspects = [] }: {
      crashed?: readonly string[];
      suspects?: readonly string[];
    },
  ): Promise<void> {
    await this.push(...crashed, ...suspects);
    const first = this.worker();
    await first.reserve();
    await first.die();
    const second = this.worker();
    for (const text of crashed) {
      const { tokens, messages } = await second.reserve({ idle: true });
      assert.deepEqual([...messages], [text]);
      await second.begin(tokens[0]);
    }
    await second.die();
  }
}

/** A worker that keeps account of its tokens in one queue. */
export class TestWorker {
  readonly name: string = `w-${crypto.randomUUID().slice(0, 8)}`;
  readonly #tokens = new Set<string>();

  constructor(readonly broker: Broker, readonly queue: string) {}

  /** How many tokens it holds, by its own account. */
  get known(): number {
    return this.#tokens.size;
  }

  async reserve(request: Partial<ReserveRequest> = {}): Promise<Batch> {
    const batch = await this.broker.reserve(this.name, this.queue, {
      limit: MAX_BATCH_JOBS,
      bytes: MAX_BATCH_BYTES,
      known: this.known,
      idle: this.known === 0,
      ...request,
    });
    for (const token of batch.tokens) this.#tokens.add(token);
    return batch;
  }

  async begin(token: string): Promise<string> {
    const begun = await this.broker.begin(this.name, this.queue, token);
    if (this.#tokens.delete(token)) this.#tokens.add(begun);
    return begun;
  }

  async settle(...settlements: Settlement[]): Promise<number> {
    const n = await this.broker.settle(this.name, this.queue, settlements);
    for (const { token } of settlements) this.#tokens.delete(token);
    return n;
  }

  /** Settles tokens as done, without outcome. */
  done(...tokens: string[]): Promise<number> {
    return this.settle(
      ...tokens.map((token): Settlement => ({ kind: "done", token })),
    );
  }

  async release(...tokens: string[]): Promise<void> {
    await this.broker.release(this.name, this.queue, tokens);
    for (const token of tokens) this.#tokens.delete(token);
  }

  async reconcile(...tokens: string[]): Promise<string[]> {
    const gone = await this.broker.reconcile(this.name, this.queue, tokens);
    this.#tokens.clear();
    for (const token of tokens) {
      if (!gone.includes(token)) this.#tokens.add(token);
    }
    return gone;
  }

  /** Renews its lease and answers with how many tokens the store says. */
  async renew(): Promise<number> {
    return (await this.broker.renew(this.name, [this.queue]))[0].held;
  }

  /** Another worker takes its place; answers how many jobs it put back. */
  die(): Promise<number> {
    return this.broker.recover(this.name, this.queue, "replaced");
  }
}
