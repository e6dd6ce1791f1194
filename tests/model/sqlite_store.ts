import type {
  Broker,
  Settlement,
  Taken as TakenJobs,
} from "../../src/broker/broker.ts";
import { type Database, textOf } from "../../src/broker/sqlite/database.ts";
import { parseToken, printToken } from "../../src/broker/sqlite/store.ts";
import type { Taken } from "./fast_jobs.ts";
import { type Ledger, Violation } from "./ledger.ts";
import type { Command, Line } from "./line.ts";
import { type Amendment, unchecked } from "./mutations.ts";
import type { Look, Store } from "./store.ts";

const STATES = ["ready", "suspect", "crashed"];
const KINDS = ["scheduled", "retry", "lone"];
const TABLES = [
  "worker",
  "waiting",
  "held_batch",
  "held_job",
  "due",
  "failed",
  "result",
  "bucket",
  "once",
];

/** What the runs on one file share. */
export interface SqliteParts {
  /** The real brokers, each with a connection of its own. */
  readonly brokers: readonly Broker[];
  /** A connection of the model, to look. */
  readonly db: Database;
  readonly clock: { nowMs: number };
  readonly without?: Amendment;
}

/** Queues of a real file. A command can't be lost: it is a call. */
export class SqliteStore implements Store {
  readonly queues: readonly string[];
  readonly #parts: SqliteParts;
  readonly #ledger: Ledger;
  #lines = 0;

  constructor(parts: SqliteParts, queues: readonly string[], ledger: Ledger) {
    this.#parts = parts;
    this.queues = queues;
    this.#ledger = ledger;
  }

  get clockMs(): number {
    return this.#parts.clock.nowMs;
  }

  set clockMs(nowMs: number) {
    this.#parts.clock.nowMs = nowMs;
  }

  broker(line: Line): Broker {
    const { brokers } = this.#parts;
    const real = brokers[this.#lines++ % brokers.length];
    return new Proxy(real, {
      get: (_, verb: keyof Broker & string) => (...args: unknown[]) =>
        line.send(this.#command(line.owner, real, verb, args)),
    });
  }

  push(line: Line, queue: string, message: string): Promise<unknown> {
    return this.broker(line).enqueue([
      { id: "foreign.0", queue, message },
    ]);
  }

  /** Who waits looks by itself: nothing moves. */
  wake(): Promise<boolean> {
    return Promise.resolve(false);
  }

  look(): Promise<Look> {
    return Promise.resolve(this.lookNow());
  }

  /** The same, between two commands of others. */
  lookNow(): Look {
    const looks = this.queues.map((queue) => this.#look(queue));
    return {
      waiting: looks.flatMap(({ waiting }) => waiting),
      held: looks.flatMap(({ held }) => held),
      failed: looks.flatMap(({ failed }) => failed),
      places: new Map(looks.flatMap(({ places }) => [...places])),
    };
  }

  #look(name: string): Look {
    const queue = this.#queueId(name);
    const { db } = this.#parts;
    const waiting = [
      ...this.#messages(name, "waiting", "state", STATES),
      ...this.#messages(name, "due", "kind", KINDS),
    ];
    const held = db.rows(
      `SELECT worker, id, seq, mark, message FROM held_batch
         JOIN held_job USING (queue) WHERE queue = ? AND batch = id`,
      queue,
    ).map(([worker, batch, seq, mark, message]) => ({
      queue: name,
      worker: worker as string,
      token: printToken(batch as number, seq as number, mark as string),
      message: textOf(message),
    }));
    const failed = db.rows("SELECT entry FROM failed WHERE queue = ?", queue)
      .map(([entry]) => ({ queue: name, entry: textOf(entry) }));
    const places = new Map(
      db.rows("SELECT name, tick FROM worker WHERE queue = ?", queue).map((
        [worker, tick],
      ) =>
        [
          `${name} ${worker}`,
          (tick as number) < 0 ? "dead" : "living",
        ] as const
      ),
    );
    this.#checkCounters(queue);
    return { waiting, held, failed, places };
  }

  holds(
    queue: string,
    worker: string,
    token: string,
  ): Promise<string | null> {
    return Promise.resolve(this.#held(queue, worker, token));
  }

  age(queue: string, worker: string): Promise<number | undefined> {
    const [age, place] = this.#parts.db.row(
      `SELECT queue.tick - worker.tick, worker.tick FROM queue
         JOIN worker ON worker.queue = queue.id
         WHERE queue.name = ? AND worker.name = ?`,
      queue,
      worker,
    ) as [number, number] | undefined ?? [];
    return Promise.resolve(place === undefined || place < 0 ? undefined : age);
  }

  limitMemory(): Promise<void> {
    return Promise.resolve();
  }

  leftovers(): Promise<string[]> {
    const queues = this.queues.map((queue) => this.#queueId(queue));
    const tables = ["worker", "waiting", "held_batch", "due"];
    return Promise.resolve(
      tables.flatMap((table) =>
        queues.flatMap((queue) =>
          this.#parts.db.rows(`SELECT * FROM ${table} WHERE queue = ?`, queue)
            .map((row) => `${table} ${row.join(" ")}`)
        )
      ),
    );
  }

  clean(): Promise<void> {
    const { db } = this.#parts;
    db.exec("BEGIN IMMEDIATE");
    for (const name of this.queues) {
      const queue = this.#queueId(name);
      for (const table of TABLES) {
        db.run(`DELETE FROM ${table} WHERE queue = ?`, queue);
      }
      db.run("DELETE FROM queue WHERE id = ?", queue);
    }
    db.exec("COMMIT");
    return Promise.resolve();
  }

  #command(
    owner: string,
    real: Broker,
    verb: string,
    args: unknown[],
  ): Command {
    const { fast } = this.#ledger;
    const taken: Taken[] = [];
    return {
      text: `${verb} ${brief(args)}`,
      onceOnly: true,
      lost: () => taken.forEach((one) => fast.answerLost(one)),
      run: async () => {
        const answer = await this.#run(owner, real, verb, args);
        if (verb !== "take") return answer;
        const { messages } = answer as TakenJobs;
        if (messages.length > 0) taken.push(fast.took(owner, messages));
        return answer;
      },
    };
  }

  async #run(
    owner: string,
    real: Broker,
    verb: string,
    args: unknown[],
  ): Promise<unknown> {
    if (verb === "recover" && this.#parts.without === "lapse") {
      args = args.map(unchecked);
    }
    const call = (real as unknown as Record<string, unknown>)[verb] as (
      ...args: unknown[]
    ) => Promise<unknown>;
    if (verb === "settle") {
      const [worker, queue, settlements] = args as [
        string,
        string,
        Settlement[],
      ];
      const before = settlements.map(({ token }) =>
        this.#held(queue, worker, token)
      );
      const settled = await call.apply(real, args);
      settlements.forEach(({ token }, index) => {
        const message = before[index];
        if (message !== null) {
          this.#ledger.settled(worker, queue, token, message);
        }
      });
      return settled;
    }
    const answer = await call.apply(real, args);
    if (verb === "enqueue") {
      const [entries] = args as Parameters<Broker["enqueue"]>;
      const ids = answer as string[];
      entries.forEach(({ id, message }, index) => {
        if (ids[index] === id) this.#ledger.stored(owner, message);
      });
    }
    if (verb === "reserve" && this.#parts.without === "F7") {
      const [worker, queue] = args as [string, string];
      const batch = answer as Awaited<ReturnType<Broker["reserve"]>>;
      if (batch.kind === "suspect") {
        for (const token of batch.tokens) {
          await real.begin(worker, queue, token);
        }
      }
    }
    return answer;
  }

  #queueId(name: string): number {
    return this.#parts.db.value(
      "SELECT id FROM queue WHERE name = ?",
      name,
    ) as number | undefined ?? -1;
  }

  #messages(
    queue: string,
    table: string,
    column: string,
    places: readonly string[],
  ): { queue: string; place: string; message: string }[] {
    return this.#parts.db.rows(
      `SELECT ${column}, message FROM ${table} WHERE queue = ?`,
      this.#queueId(queue),
    ).map(([place, message]) => ({
      queue,
      place: places[place as number],
      message: textOf(message),
    }));
  }

  #held(queue: string, worker: string, token: string): string | null {
    const { batch, seq, mark } = parseToken(token)!;
    const message = this.#parts.db.value(
      `SELECT message FROM held_batch JOIN held_job USING (queue)
         WHERE queue = ? AND worker = ? AND id = ? AND batch = id
           AND seq = ? AND mark = ?`,
      this.#queueId(queue),
      worker,
      batch,
      seq,
      mark,
    );
    return message === undefined ? null : textOf(message);
  }

  /** What is kept as a number is what counting gives. */
  #checkCounters(queue: number): void {
    const counters = this.#parts.db.rows(
      `SELECT
         ready, (SELECT count(*) FROM waiting WHERE queue = queue.id AND state = 0),
         scheduled, (SELECT count(*) FROM due WHERE queue = queue.id AND kind = 0),
         retry, (SELECT count(*) FROM due WHERE queue = queue.id AND kind > 0),
         results, (SELECT count(*) FROM result WHERE queue = queue.id),
         (SELECT total(held) FROM held_batch WHERE held_batch.queue = queue.id),
         (SELECT count(*) FROM held_job WHERE held_job.queue = queue.id)
         FROM queue WHERE id = ?`,
      queue,
    )[0] ?? [];
    for (let i = 0; i < counters.length; i += 2) {
      if (counters[i] === counters[i + 1]) continue;
      throw new Violation(
        `counter ${i / 2} of the queue is ${counters[i]}, not ${
          counters[i + 1]
        }`,
      );
    }
  }
}

function brief(args: readonly unknown[]): string {
  return args.slice(1).map((arg) => JSON.stringify(arg)).join(" ")
    .replaceAll(/"\{\\"v\\":1.*?\[\\"(\w+)\\".*?\}"/g, "$1").slice(0, 160);
}
