/**
 * `kill -9` of real processes at the embedded file: small programs that speak
 * with the broker are killed at random moments, and the file is looked at after
 * each kill. Each job must be in one place, what was confirmed must be so.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MAX_BATCH_BYTES, MAX_BATCH_JOBS } from "../../src/broker/broker.ts";
import { Database, textOf } from "../../src/broker/sqlite/database.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import type { Engine, SeedOptions } from "./engine.ts";
import { Ledger, Violation } from "./ledger.ts";
import { Random } from "./random.ts";
import type { RunReport } from "./run_seed.ts";
import { QUEUES } from "./sqlite_kills_child.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { Look } from "./store.ts";

const PROGRAM = fileURLToPath(
  import.meta.resolve("./sqlite_kills_child.ts"),
);
const CHILDREN = 3;
const KILLS = 8;
const MEMORY_FOLDER = "/dev/shm";
const END_WITHIN_MS = 30_000;

/** What children said of one command that stores jobs. */
interface Batch {
  readonly ids: readonly string[];
  isConfirmed: boolean;
}

/** Runs one seed after the other, each on a file of its own. */
export function openKills(): Engine {
  return {
    lanes: 1,
    canShorten: false,
    run: async (options) => {
      await using run = await KillRun.open(options);
      return await run.run();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

class KillRun implements AsyncDisposable {
  readonly #seed: number;
  readonly #random: Random;
  readonly #path: string;
  readonly #broker: SqliteBroker;
  readonly #db: Database;
  readonly #store: SqliteStore;
  readonly #resources: AsyncDisposableStack;
  readonly #children: Child[] = [];
  readonly #batches: Batch[] = [];
  readonly #ended = new Set<string>();
  readonly #trace: string[] = [];
  #spawned = 0;
  #kills = 0;

  private constructor(
    { seed }: SeedOptions,
    parts: {
      path: string;
      broker: SqliteBroker;
      db: Database;
      resources: AsyncDisposableStack;
    },
  ) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#path = parts.path;
    this.#broker = parts.broker;
    this.#db = parts.db;
    this.#resources = parts.resources;
    this.#store = new SqliteStore(
      { brokers: [], db: parts.db, clock: { nowMs: 0 } },
      QUEUES,
      new Ledger(),
    );
  }

  static async open(options: SeedOptions): Promise<KillRun> {
    await using resources = new AsyncDisposableStack();
    const folder = Deno.makeTempDirSync({
      prefix: "mqk_kills_",
      dir: existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : undefined,
    });
    resources.defer(() => Deno.removeSync(folder, { recursive: true }));
    const path = join(folder, "queue.sqlite");
    const broker = resources.use(
      await SqliteBroker.open({ kind: "sqlite", path }),
    );
    await broker.register(QUEUES);
    const db = resources.use(new Database(path));
    const owned = resources.move();
    return new KillRun(options, { path, broker, db, resources: owned });
  }

  async run(): Promise<RunReport> {
    let error: Error | undefined;
    try {
      while (this.#children.length < CHILDREN) this.#spawn();
      for (let kill = 0; kill < KILLS; kill++) await this.#killOne();
      await this.#endAll();
      this.#check();
      await this.#recoverAll();
      await this.#workOff();
      this.#checkEnd();
    } catch (thrown) {
      error = thrown as Error;
    }
    return {
      seed: this.#seed,
      jobs: this.#batches.reduce((sum, { ids }) => sum + ids.length, 0),
      steps: this.#kills,
      crashes: this.#kills,
      lostFast: 0,
      failure: error &&
        { steps: this.#kills, error, trace: this.#trace },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#children.map((child) => child.kill()));
    await this.#resources.disposeAsync();
  }

  #spawn(predecessor?: string): void {
    const name = `c${++this.#spawned}`;
    const seed = this.#seed * 1000 + this.#spawned;
    const args = [this.#path, name, String(seed)];
    if (predecessor !== undefined) args.push(predecessor);
    this.#children.push(
      new Child(name, args, (line) => this.#hear(name, line)),
    );
  }

  /** Kills a child at some moment, looks, and starts its successor. */
  async #killOne(): Promise<void> {
    const index = this.#random.whole(0, CHILDREN - 1);
    const [child] = this.#children.splice(index, 1);
    await child.ready;
    const afterMs = this.#random.whole(0, 150);
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await child.kill();
    this.#kills++;
    this.#trace.push(`${child.name} is killed`);
    this.#check();
    this.#spawn(child.name);
  }

  async #endAll(): Promise<void> {
    const children = this.#children.splice(0);
    await Promise.all(children.map((child) => child.kill()));
  }

  /** Also of those whose successor did not come so far. */
  async #recoverAll(): Promise<void> {
    for (let number = 1; number <= this.#spawned; number++) {
      for (const queue of QUEUES) {
        await this.#broker.recover(`c${number}`, queue, "replaced");
      }
    }
    this.#check();
  }

  #hear(name: string, line: string): void {
    this.#trace.push(`${name} ${line}`);
    const [what, , ...ids] = line.split(" ");
    if (what === "sends") this.#batches.push({ ids, isConfirmed: false });
    if (what === "stored") {
      this.#batches.find((batch) => batch.ids[0] === ids[0])!.isConfirmed =
        true;
    }
    if (what === "ended") { for (const id of ids) this.#ended.add(id); }
    if (what === "wrong") throw new Violation(`${name} ${line}`);
  }

  /** Places of each job: where it waits, is held, failed, or has its result. */
  #places(): Map<string, string[]> {
    const { look, done } = this.#snapshot();
    const places = new Map<string, string[]>();
    const put = (id: string, place: string) =>
      places.set(id, [...places.get(id) ?? [], place]);
    for (const { message, place } of look.waiting) {
      put(message.split(" ")[0], place);
    }
    for (const { message, worker, queue } of look.held) {
      put(message.split(" ")[0], `held by ${worker}`);
      const state = look.places.get(`${queue} ${worker}`);
      if (state === "living") continue;
      throw new Violation(`${worker} holds jobs, but its place is ${state}`);
    }
    for (const { entry } of look.failed) put(entry, "failed");
    for (const id of done) put(id, "done");
    return places;
  }

  /** All of the file at one moment, while others write. */
  #snapshot(): { look: Look; done: string[] } {
    this.#db.exec("BEGIN");
    try {
      const look = this.#store.lookNow();
      const done = this.#db.rows("SELECT outcome FROM result")
        .map(([outcome]) => textOf(outcome));
      return { look, done };
    } finally {
      this.#db.exec("COMMIT");
    }
  }

  #check(): void {
    // What was said before the look must be in it.
    const batches = this.#batches.map(({ ids, isConfirmed }) => ({
      ids,
      isConfirmed,
    }));
    const ended = [...this.#ended];
    const places = this.#places();
    for (const { ids, isConfirmed } of batches) {
      const stored = ids.filter((id) => places.has(id)).length;
      if (isConfirmed && stored < ids.length) {
        const lost = ids.find((id) => !places.has(id));
        throw new Violation(`${lost} was confirmed, and is lost`);
      }
      for (const id of ids) {
        const found = places.get(id) ?? [];
        if (found.length <= 1) continue;
        throw new Violation(`${id} is in two places: ${found.join(", ")}`);
      }
    }
    for (const id of ended) {
      const [place] = places.get(id) ?? [];
      if (place === "done" || place === "failed") continue;
      throw new Violation(`the end of ${id} was confirmed, but it is ${place}`);
    }
  }

  /** Works off all that is left, with nobody beside it. */
  async #workOff(): Promise<void> {
    const endMs = performance.now() + END_WITHIN_MS;
    for (;;) {
      const counts = await this.#broker.counts(QUEUES);
      const left = counts.some(({ failed: _, ...states }) =>
        Object.values(states).some((count) => count > 0)
      );
      if (!left) return;
      if (performance.now() > endMs) {
        throw new Violation(`not at an end: ${JSON.stringify(counts)}`);
      }
      for (const queue of QUEUES) {
        await this.#broker.reap(queue);
        while (await this.#endSome(queue) > 0);
      }
    }
  }

  async #endSome(queue: string): Promise<number> {
    const { tokens, messages } = await this.#broker.reserve("last", queue, {
      limit: MAX_BATCH_JOBS,
      bytes: MAX_BATCH_BYTES,
      known: 0,
      idle: true,
    });
    if (tokens.length === 0) return 0;
    return await this.#broker.settle(
      "last",
      queue,
      tokens.map((token, index) => {
        const id = messages[index].split(" ")[0];
        return { kind: "done", token, id, outcome: id };
      }),
    );
  }

  #checkEnd(): void {
    this.#check();
    const places = this.#places();
    for (const { ids } of this.#batches) {
      const stored = ids.filter((id) => places.has(id)).length;
      if (stored === 0 || stored === ids.length) continue;
      throw new Violation(
        `of ${ids.length} jobs sent together ${stored} are stored`,
      );
    }
    const sent = new Set(this.#batches.flatMap(({ ids }) => ids));
    for (const [id, [place]] of places) {
      if (!sent.has(id)) throw new Violation(`${id} was sent by nobody`);
      if (place === "done" || place === "failed") continue;
      throw new Violation(`${id} never ends: it is ${place}`);
    }
    const integrity = this.#db.value("PRAGMA integrity_check");
    if (integrity !== "ok") throw new Violation(`the file: ${integrity}`);
  }
}

/** One process, and what it says. */
class Child {
  readonly name: string;
  /** Resolves at its first line. */
  readonly ready: Promise<void>;
  readonly #process: Deno.ChildProcess;
  readonly #read: Promise<void>;

  constructor(
    name: string,
    args: readonly string[],
    hear: (line: string) => void,
  ) {
    this.name = name;
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-lock", "--allow-all", PROGRAM, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const first = Promise.withResolvers<void>();
    this.ready = first.promise;
    this.#read = this.#hear((line) => {
      first.resolve();
      hear(line);
    }).finally(() => first.resolve());
    this.#read.catch(() => {});
  }

  /** Kills it, and reads what it still said. */
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    const { signal, code } = await this.#process.status;
    await this.#read;
    if (signal === "SIGKILL" || code === 0) return;
    throw new Violation(`${this.name} ended by itself, with code ${code}`);
  }

  async #hear(hear: (line: string) => void): Promise<void> {
    let rest = "";
    const texts = this.#process.stdout.pipeThrough(new TextDecoderStream());
    let error: unknown;
    for await (const text of texts) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        try {
          hear(line);
        } catch (thrown) {
          error ??= thrown;
        }
      }
    }
    if (error !== undefined) throw error;
  }
}
