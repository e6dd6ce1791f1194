import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  BrokerUnavailableError,
  FencedError,
} from "../../src/broker/broker.ts";
import { Database } from "../../src/broker/sqlite/database.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import { Transactions } from "../../src/broker/sqlite/transaction.ts";
import { BrokerError } from "../../src/errors.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** A table of numbers, and how often something was committed to it. */
class Numbers implements AsyncDisposable {
  readonly #dir = new TempDir();
  readonly #path = join(this.#dir.path, "numbers.sqlite");
  readonly db = new Database(this.#path);
  readonly transactions = new Transactions(
    this.db,
    this.#path,
    () => void this.commits++,
  );
  commits = 0;

  constructor() {
    this.db.exec("PRAGMA journal_mode = WAL; CREATE TABLE number (n UNIQUE)");
  }

  add(n: number): Promise<number> {
    return this.transactions.write("add", () => this.insert(n));
  }

  insert(n: number): number {
    return this.db.run("INSERT INTO number (n) VALUES (?)", n);
  }

  all(): unknown[] {
    return this.db.rows("SELECT n FROM number ORDER BY n").flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transactions[Symbol.asyncDispose]();
    this.db[Symbol.dispose]();
    await this.#dir[Symbol.asyncDispose]();
  }
}

Deno.test("calls that are made together are committed together, in their order", async () => {
  await using numbers = new Numbers();
  const seen: number[] = [];
  await Promise.all(
    Array.from(
      { length: 50 },
      (_, n) =>
        numbers.transactions.write("add", () => {
          seen.push(n);
          return numbers.insert(n);
        }),
    ),
  );
  // One, unless the machine is so busy that they fill their time.
  assert.ok(numbers.commits <= 10, `${numbers.commits} commits`);
  assert.deepEqual(seen, Array.from({ length: 50 }, (_, n) => n));
});

Deno.test("a call that throws undoes what it wrote, and nothing of its neighbours", async () => {
  await using numbers = new Numbers();
  const ends = await Promise.allSettled([
    numbers.add(1),
    numbers.transactions.write("refuse", () => {
      numbers.insert(2);
      throw new FencedError("late");
    }),
    numbers.add(3),
  ]);
  assert.deepEqual(ends.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  assert.ok((ends[1] as PromiseRejectedResult).reason instanceof FencedError);
  assert.deepEqual(numbers.all(), [1, 3]);
});

Deno.test("a call that SQLite refuses is refused alone, and its neighbours are written", async () => {
  await using numbers = new Numbers();
  await numbers.add(2);
  const ends = await Promise.allSettled([1, 2, 3].map((n) => numbers.add(n)));
  assert.deepEqual(ends.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  const { reason } = ends[1] as PromiseRejectedResult;
  assert.ok(reason instanceof BrokerError);
  assert.match(reason.message, /Cannot add: .*UNIQUE/);
  assert.deepEqual(numbers.all(), [1, 2, 3]);
});

Deno.test("a commit waits for the disk if one of its calls must outlive a power failure", async () => {
  await using numbers = new Numbers();
  const { db, transactions } = numbers;
  const synchronous = () => db.value("PRAGMA synchronous");
  const NORMAL = 1, FULL = 2;
  assert.equal(await transactions.write("a", synchronous, "NORMAL"), NORMAL);
  assert.equal(await transactions.write("a", synchronous), FULL);
  assert.deepEqual(
    await Promise.all([
      transactions.write("a", synchronous, "NORMAL"),
      transactions.write("b", synchronous, "FULL"),
      transactions.write("c", synchronous, "NORMAL"),
    ]),
    [FULL, FULL, FULL],
  );
  assert.equal(await transactions.write("a", synchronous, "NORMAL"), NORMAL);
});

Deno.test("many long calls do not keep the thread to themselves", async () => {
  await using numbers = new Numbers();
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await Promise.all(
    Array.from(
      { length: 20 },
      (_, n) =>
        numbers.transactions.write("add", () => {
          const end = performance.now() + 5;
          while (performance.now() < end);
          return numbers.insert(n);
        }),
    ),
  );
  clearInterval(timer);
  assert.ok(numbers.commits >= 10, `${numbers.commits} commits`);
  assert.ok(turns >= 5, `${turns} turns`);
});

Deno.test("sqlite: a command that is refused spoils no other of the same moment", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  await using broker = await SqliteBroker.open({ kind: "sqlite", path });
  const [stored, begun, batch] = await Promise.allSettled([
    broker.enqueue([{ id: "p.0", queue: "q", message: "m" }]),
    broker.begin("w", "unused", "1:1:s"),
    broker.reserve("w", "q", { limit: 1, bytes: 1, known: 0, idle: true }),
  ]);
  assert.deepEqual(stored, { status: "fulfilled", value: ["p.0"] });
  assert.ok((begun as PromiseRejectedResult).reason instanceof FencedError);
  assert.equal(batch.status, "fulfilled");
  assert.deepEqual(batch.value.messages, ["m"]);
  assert.deepEqual(await broker.queues(), ["q"]);
});

Deno.test("sqlite: while another program has the file, calls wait and the thread does not", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  await using broker = await SqliteBroker.open({ kind: "sqlite", path });
  using other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const stored = broker.enqueue([{ id: "p.0", queue: "q", message: "m" }]);
  const readable = await broker.counts(["q"]);
  assert.equal(readable[0].ready, 0);
  for (let turns = 0; turns < 50; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  other.exec("COMMIT");
  assert.deepEqual(await stored, ["p.0"]);
});

Deno.test("sqlite: a file that others keep is certain for a producer, and reason to repeat for a worker", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  const options = { lockedMs: 100 };
  await using broker = await SqliteBroker.open(
    { kind: "sqlite", path },
    options,
  );
  using other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const [stored, renewed] = await Promise.allSettled([
    broker.enqueue([{ id: "p.0", queue: "q", message: "m" }]),
    broker.reserve("w", "q", { limit: 1, bytes: 1, known: 0, idle: true }),
  ]);
  other.exec("COMMIT");
  const refused = (stored as PromiseRejectedResult).reason;
  assert.ok(refused instanceof BrokerError);
  assert.match(refused.message, /locked by another process/);
  const unavailable = (renewed as PromiseRejectedResult).reason;
  assert.ok(unavailable instanceof BrokerUnavailableError);
  assert.equal((await broker.counts(["q"]))[0].ready, 0);
});
