import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Settlement } from "../../src/broker/broker.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import { SqliteInspector } from "../../src/broker/sqlite/sqlite_inspector.ts";
import { TempDir } from "../harness/temp_dir.ts";

const QUEUE = "q";

/** Each counter beside what it counts. */
const COUNTERS = `
  SELECT ready, (SELECT count(*) FROM waiting WHERE state = 0),
    scheduled, (SELECT count(*) FROM due WHERE kind = 0),
    retry, (SELECT count(*) FROM due WHERE kind > 0),
    results, (SELECT coalesce(sum(results), 0) FROM bucket),
    result_bytes, (SELECT coalesce(sum(bytes), 0) FROM bucket),
    (SELECT coalesce(sum(held), 0) FROM held_batch), (SELECT count(*) FROM held_job),
    (SELECT count(*) FROM held_batch), (SELECT count(DISTINCT batch) FROM held_job)
  FROM queue`;

/** Steps over all verbs, always the same ones. */
class Steps {
  readonly #broker: SqliteBroker;
  readonly #inspector: SqliteInspector;
  readonly #turn: (ms: number) => void;
  readonly #held = new Map<string, string[]>();
  #state = 7;
  #jobs = 0;
  #workers = 0;

  constructor(
    broker: SqliteBroker,
    inspector: SqliteInspector,
    turn: (ms: number) => void,
  ) {
    this.#broker = broker;
    this.#inspector = inspector;
    this.#turn = turn;
  }

  async next(): Promise<void> {
    const steps = [
      () => this.#enqueue(),
      () => this.#reserve(),
      () => this.#settle(),
      () => this.#release(),
      () => this.#reap(),
      () => this.#recover(),
      () => this.#broker.take(QUEUE, this.#random(3), 1000),
      () => this.#replay(),
    ];
    await steps[this.#random(steps.length)]();
  }

  #random(below: number): number {
    this.#state = (this.#state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor(this.#state / 2 ** 31 * below);
  }

  #worker(): string {
    return `w${this.#workers - this.#random(3)}`;
  }

  #enqueue(): Promise<unknown> {
    return this.#broker.enqueue(
      Array.from({ length: 1 + this.#random(9) }, () => ({
        id: `p.${this.#jobs++}`,
        queue: QUEUE,
        message: "x".repeat(this.#random(30)),
        delayMs: this.#random(2) * this.#random(3000),
        idempotencyKey: this.#random(9) === 0 ? "key" : undefined,
      })),
    );
  }

  async #reserve(): Promise<void> {
    const worker = this.#worker();
    const held = this.#held.get(worker) ?? [];
    const { kind, tokens } = await this.#broker.reserve(worker, QUEUE, {
      limit: 1 + this.#random(9),
      bytes: 100,
      known: held.length,
      idle: held.length === 0,
    });
    const mine = kind === "suspect" && this.#random(2) === 0
      ? [await this.#broker.begin(worker, QUEUE, tokens[0])]
      : tokens;
    this.#held.set(worker, [...held, ...mine]);
  }

  /** Some of what a worker holds, and a token that nobody holds. */
  #some(): [worker: string, tokens: string[]] {
    const worker = this.#worker();
    const held = this.#held.get(worker) ?? [];
    const tokens = held.splice(0, this.#random(held.length + 1));
    return [worker, [...tokens, "1:1"]];
  }

  async #settle(): Promise<void> {
    const [worker, tokens] = this.#some();
    if (!this.#held.has(worker)) return;
    await this.#broker.settle(
      worker,
      QUEUE,
      tokens.map((token) => this.#end(token)),
    );
  }

  #end(token: string): Settlement {
    const id = `p.${this.#random(this.#jobs + 1)}`;
    const outcome = "y".repeat(this.#random(20));
    const message = "again";
    switch (this.#random(4)) {
      case 0:
        return { kind: "retry", token, message, delayMs: 500 };
      case 1:
        return { kind: "retry", token, message, delayMs: 0, alone: true };
      case 2:
        return { kind: "failed", token, entry: "{}", id, outcome };
      default:
        return { kind: "done", token, id, outcome };
    }
  }

  async #release(): Promise<void> {
    const [worker, tokens] = this.#some();
    if (!this.#held.has(worker)) return;
    await this.#broker.release(worker, QUEUE, tokens);
  }

  async #reap(): Promise<void> {
    this.#turn(this.#random(1500));
    for (const worker of (await this.#broker.reap(QUEUE)).lapsed) {
      await this.#broker.recover(worker, QUEUE, "lapsed");
      this.#held.delete(worker);
      this.#workers += 3;
    }
  }

  async #recover(): Promise<void> {
    await this.#broker.recover(`w${this.#workers}`, QUEUE, "replaced");
    this.#held.delete(`w${this.#workers}`);
    this.#workers += 3;
  }

  async #replay(): Promise<void> {
    for await (const record of this.#inspector.jobs(QUEUE, "failed")) {
      await this.#inspector.replay(record, "replayed", "p.1");
      return;
    }
  }
}

Deno.test("sqlite: every counter counts what it stands for, whatever happens", async () => {
  await using dir = new TempDir();
  const dsn = { kind: "sqlite", path: join(dir.path, "queue.sqlite") } as const;
  let now = 1_000_000;
  await using broker = await SqliteBroker.open(dsn, {
    clock: () => now,
    limits: { results: 40, resultBytes: 500, messageBytes: 25, failed: 20 },
  });
  await using inspector = await SqliteInspector.open(dsn);
  const steps = new Steps(broker, inspector, (ms) => now += ms);
  using db = new DatabaseSync(dsn.path);
  for (let step = 0; step < 600; step++) {
    await steps.next();
    const row = Object.values(db.prepare(COUNTERS).get() ?? {});
    if (row.length > 0) assert.equal(row.length, 14);
    for (let i = 0; i < row.length; i += 2) {
      assert.equal(row[i], row[i + 1], `step ${step}, counter ${i / 2}`);
    }
  }
});
