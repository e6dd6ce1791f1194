import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SchemaError, type Settlement } from "../../src/broker/broker.ts";
import { APPLICATION_ID, VERSIONS } from "../../src/broker/sqlite/schema.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import { BrokerError } from "../../src/errors.ts";
import { TempDir } from "../harness/temp_dir.ts";

function open(path: string): Promise<SqliteBroker> {
  return SqliteBroker.open({ kind: "sqlite", path });
}

function done(token: string): Settlement {
  return { kind: "done", token };
}

/** A check of an error: of this class, one line, with these words. */
function oneLine(
  type: new (message: string) => Error,
  words: RegExp,
): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof type, String(error));
    assert.match(error.message, words);
    assert.ok(!error.message.includes("\n"));
    return true;
  };
}

Deno.test({
  name: "sqlite: only the owner may read what is in the file or beside it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = new TempDir();
    const path = join(dir.path, "queue.sqlite");
    await using broker = await open(path);
    await broker.register(["q"]);
    const modes = [...Deno.readDirSync(dir.path)].map(({ name }) => [
      name,
      Deno.statSync(join(dir.path, name)).mode! & 0o777,
    ]).sort();
    assert.deepEqual(modes, [
      ["queue.sqlite", 0o600],
      ["queue.sqlite-shm", 0o600],
      ["queue.sqlite-wake", 0o600],
      ["queue.sqlite-wal", 0o600],
    ]);
  },
});

Deno.test("sqlite: the folder .mqk is made, and hides itself from git", async () => {
  await using dir = new TempDir();
  const folder = join(dir.path, ".mqk");
  await using _broker = await open(join(folder, "queue.sqlite"));
  assert.equal(Deno.readTextFileSync(join(folder, ".gitignore")), "*\n");
});

Deno.test("sqlite: no other folder is made", async () => {
  await using dir = new TempDir();
  const folder = join(dir.path, "jobs");
  await assert.rejects(
    open(join(folder, "queue.sqlite")),
    oneLine(BrokerError, /folder .*jobs does not exist/),
  );
  assert.ok(!existsSync(folder));
});

Deno.test("sqlite: a place where no file can be made is refused in one line", async () => {
  await using dir = new TempDir();
  const file = dir.write("file", "");
  await assert.rejects(
    open(join(file, "queue.sqlite")),
    oneLine(BrokerError, /Cannot open .*queue\.sqlite/),
  );
  await assert.rejects(
    open(join(file, ".mqk", "queue.sqlite")),
    oneLine(BrokerError, /Cannot open .*queue\.sqlite/),
  );
});

Deno.test({
  name: "sqlite: a file system that takes no files is refused in one line",
  // Nobody may write there, root included.
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await assert.rejects(
      open("/proc/self/queue.sqlite"),
      oneLine(BrokerError, /Cannot open \/proc\/self\/queue\.sqlite/),
    );
  },
});

Deno.test("sqlite: a folder instead of a file is refused in one line", async () => {
  await using dir = new TempDir();
  await assert.rejects(
    open(dir.path),
    oneLine(BrokerError, /Cannot open .*unable to open/),
  );
});

Deno.test("sqlite: a file that is no database is refused, and stays as it is", async () => {
  await using dir = new TempDir();
  const text = "Dear diary, ".repeat(100);
  const path = dir.write("diary.txt", text);
  await assert.rejects(
    open(path),
    oneLine(BrokerError, /diary\.txt: it is not an SQLite database/),
  );
  assert.equal(Deno.readTextFileSync(path), text);
  assert.deepEqual([...Deno.readDirSync(dir.path)].length, 1);
});

Deno.test("sqlite: a database of another program is refused, and stays as it is", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "history.sqlite");
  {
    using other = new DatabaseSync(path);
    other.exec("CREATE TABLE queue (name); PRAGMA user_version = 1");
  }
  const before = Deno.readFileSync(path);
  await assert.rejects(
    open(path),
    oneLine(BrokerError, /it is a database of another program/),
  );
  assert.deepEqual(Deno.readFileSync(path), before);
});

Deno.test("sqlite: a file of a later version is refused, naming both versions", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  await (await open(path))[Symbol.asyncDispose]();
  {
    using later = new DatabaseSync(path);
    later.exec("PRAGMA user_version = 7");
  }
  await assert.rejects(
    open(path),
    oneLine(SchemaError, /schema version 7, this program writes 3/),
  );
});

Deno.test("sqlite: a file of version 2 is made one of this version, with what its workers hold", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  {
    using old = new DatabaseSync(path);
    VERSIONS.slice(0, 2).forEach((change) => old.exec(change));
    old.exec(`
      PRAGMA application_id = ${APPLICATION_ID};
      PRAGMA user_version = 2;
      INSERT INTO queue (id, name, seq, ready) VALUES (1, 'p', 3, 1), (2, 'q', 2, 0);
      INSERT INTO worker VALUES (1, 'one', 0), (2, 'one', 0), (2, 'two', 0);
      INSERT INTO waiting VALUES (1, 0, 3, 'p3');
      INSERT INTO batch VALUES (4, 1, 'one', '', 2), (5, 2, 'one', '', 1),
        (9, 2, 'two', 's', 1);
      INSERT INTO held VALUES (4, 1, 'p1'), (4, 2, 'p2'), (5, 1, 'q1'),
        (9, 2, 'q2')`);
  }
  await using broker = await open(path);
  const [p] = await broker.renew("one", ["p"]);
  assert.equal(p.held, 2);
  assert.equal(await broker.settle("one", "p", [done("4:1"), done("5:1")]), 1);
  assert.equal(await broker.settle("one", "q", [done("5:1")]), 1);
  assert.equal(await broker.recover("two", "q", "replaced"), 1);
  // A batch of the other queue never has the number of one that is held.
  const request = { limit: 10, bytes: 1000, known: 0, idle: true };
  const { tokens, messages } = await broker.reserve("new", "p", request);
  assert.deepEqual(messages, ["p3"]);
  assert.ok(Number(tokens[0].split(":")[0]) > 9, tokens[0]);
  const [counts, others] = await broker.counts(["p", "q"]);
  assert.deepEqual([counts.held, others.held, others.suspect], [2, 0, 1]);
});

Deno.test("sqlite: jobs outlive the processes that stored them", async () => {
  await using dir = new TempDir();
  const path = join(dir.path, "queue.sqlite");
  {
    await using broker = await open(path);
    await broker.enqueue([{ id: "p.0", queue: "q", message: "m" }]);
  }
  await using broker = await open(path);
  assert.deepEqual((await broker.take("q", 10, 1000)).messages, ["m"]);
});

Deno.test("sqlite: a text with NUL characters is stored whole beside others", async () => {
  await using dir = new TempDir();
  await using broker = await open(join(dir.path, "queue.sqlite"));
  const texts = ["before", "\0", "a\0b\u{1F600}\0", "", "after"];
  await broker.enqueue(
    texts.map((message, i) => ({ id: `p.${i}`, queue: "q", message })),
  );
  const batch = await broker.reserve("w", "q", {
    limit: 10,
    bytes: 1000,
    known: 0,
    idle: true,
  });
  assert.deepEqual([...batch.messages], texts);
  await broker.settle(
    "w",
    "q",
    batch.tokens.map((token, i) => ({
      kind: "done",
      token,
      id: `p.${i}`,
      outcome: texts[i],
    })),
  );
  const ids = texts.map((_, i) => `p.${i}`);
  assert.deepEqual(await broker.results("q", ids), texts);
});

Deno.test("sqlite: a broker that is closed refuses calls, and may be closed again", async () => {
  await using dir = new TempDir();
  const broker = await open(join(dir.path, "queue.sqlite"));
  const stored = broker.enqueue([{ id: "p.0", queue: "q", message: "m" }]);
  await broker[Symbol.asyncDispose]();
  await broker[Symbol.asyncDispose]();
  assert.deepEqual(await stored, ["p.0"]);
  await assert.rejects(broker.counts(["q"]), oneLine(BrokerError, /is closed/));
  await assert.rejects(
    broker.enqueue([{ id: "p.1", queue: "q", message: "m" }]),
    oneLine(BrokerError, /is closed/),
  );
});
