/**
 * The file: where it is made, how it is opened, and its tables.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { BrokerError } from "../../errors.ts";
import { sleep } from "../../time/sleep.ts";
import { SchemaError } from "../broker.ts";
import { Database } from "./database.ts";
import { isLocked, toBrokerError } from "./errors.ts";

/** "MQK1": tells our files from other programs' databases. */
export const APPLICATION_ID = 0x4d514b31;
/** The folder that is ours: we make it and hide it from git. */
const OWN_FOLDER = ".mqk";
const OPEN_WITHIN_MS = 5000;

/** Instead of a path: in memory, for this connection alone, without a file. */
export const MEMORY = ":memory:";

// No `busy_timeout`: SQLite would block the thread. Each step is tried again.
const PRAGMAS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = 1000;
  PRAGMA journal_size_limit = 8388608;
`;

/**
 * What version 1 has:
 *
 * - `waiting.state`: 0 ready, 1 suspect, 2 crashed (see `store.ts`);
 * - `batch.mark`: last part of its tokens: none, s suspect, r begun, c crashed;
 * - `due.kind`: 0 scheduled, 1 retry, 2 lone;
 * - `worker.tick`: of its last renewal; below zero: dead since `-tick - 1`;
 * - `queue.ready`, `scheduled`, `retry`, `results`, `result_bytes`: counters,
 *   because counting a million rows takes 70 ms; `seq`: last number given;
 * - `bucket`: outcomes of up to 128 jobs of one producer; `change`: its place
 *   in the order of last writes;
 * - `schedule.next`: its next due time; none: it is paused.
 * - `total`: jobs that left a queue, since it is counted.
 */
const FIRST = `
  CREATE TABLE queue (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    seq INTEGER NOT NULL DEFAULT 0,
    ready INTEGER NOT NULL DEFAULT 0, scheduled INTEGER NOT NULL DEFAULT 0,
    retry INTEGER NOT NULL DEFAULT 0,
    tick INTEGER NOT NULL DEFAULT 0, ticked_at INTEGER,
    results INTEGER NOT NULL DEFAULT 0,
    result_bytes INTEGER NOT NULL DEFAULT 0,
    change INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE worker (
    queue INTEGER, name TEXT, tick INTEGER NOT NULL, PRIMARY KEY (queue, name)
  ) WITHOUT ROWID;
  CREATE TABLE waiting (
    queue INTEGER, state INTEGER, seq INTEGER, message,
    PRIMARY KEY (queue, state, seq)
  ) WITHOUT ROWID;
  CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL,
    worker TEXT NOT NULL, mark TEXT NOT NULL, held INTEGER NOT NULL
  );
  CREATE INDEX batch_worker ON batch (queue, worker);
  CREATE TABLE held (
    batch INTEGER, seq INTEGER, message, PRIMARY KEY (batch, seq)
  ) WITHOUT ROWID;
  CREATE TABLE due (
    queue INTEGER, kind INTEGER, at INTEGER, seq INTEGER, message,
    PRIMARY KEY (queue, kind, at, seq)
  ) WITHOUT ROWID;
  CREATE TABLE failed (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL,
    at INTEGER NOT NULL, entry NOT NULL
  );
  CREATE INDEX failed_at ON failed (queue, at, seq);
  CREATE TABLE result (
    queue INTEGER, producer TEXT, n INTEGER, outcome,
    PRIMARY KEY (queue, producer, n)
  ) WITHOUT ROWID;
  CREATE TABLE bucket (
    queue INTEGER, producer TEXT, block INTEGER, at INTEGER NOT NULL,
    change INTEGER NOT NULL, results INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (queue, producer, block)
  ) WITHOUT ROWID;
  CREATE INDEX bucket_change ON bucket (queue, change);
  CREATE TABLE once (
    queue INTEGER, key TEXT, job TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (queue, key)
  ) WITHOUT ROWID;
  CREATE INDEX once_until ON once (until);
  CREATE TABLE health (
    worker TEXT PRIMARY KEY, until INTEGER NOT NULL, data TEXT NOT NULL
  ) WITHOUT ROWID;
`;

/**
 * What version 2 added:
 *
 * - `rule`: how a queue is served; `limits`: JSON; `cancels`: how many jobs
 *   were ever cancelled;
 * - `grp`: a group with jobs; `turn`: its place among those of which a job may
 *   go; `due`: from when on its rate lets one go; `active`: jobs of it that
 *   were let go and have not ended, which `active` names;
 * - `blocked`: a job that waits for so many others, which `awaited` names;
 * - `rate`: what a rate has counted in a slot of time, '' for the whole queue.
 */
const SECOND = `
  CREATE TABLE rule (
    queue INTEGER PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0,
    limits TEXT, cancels INTEGER NOT NULL DEFAULT 0,
    turns INTEGER NOT NULL DEFAULT 0, grouped INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE cancelled (
    queue INTEGER, id TEXT, number INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (queue, id)
  ) WITHOUT ROWID;
  CREATE INDEX cancelled_number ON cancelled (queue, number);
  CREATE INDEX cancelled_until ON cancelled (queue, until);
  CREATE TABLE uniq (
    queue INTEGER, key TEXT, job TEXT NOT NULL, PRIMARY KEY (queue, key)
  ) WITHOUT ROWID;
  CREATE TABLE grp (
    queue INTEGER, name TEXT, active INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0, turn INTEGER, due INTEGER,
    PRIMARY KEY (queue, name)
  ) WITHOUT ROWID;
  CREATE INDEX grp_turn ON grp (queue, turn)
    WHERE turn IS NOT NULL;
  CREATE INDEX grp_due ON grp (queue, due) WHERE due IS NOT NULL;
  CREATE TABLE grouped (
    queue INTEGER, grp TEXT, seq INTEGER, id TEXT NOT NULL, message,
    PRIMARY KEY (queue, grp, seq)
  ) WITHOUT ROWID;
  CREATE INDEX grouped_seq ON grouped (queue, seq);
  CREATE TABLE active (
    queue INTEGER, id TEXT, grp TEXT NOT NULL, PRIMARY KEY (queue, id)
  ) WITHOUT ROWID;
  CREATE TABLE rate (
    queue INTEGER, grp TEXT, width INTEGER, slot INTEGER,
    jobs INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (queue, grp, width, slot)
  ) WITHOUT ROWID;
  CREATE INDEX rate_until ON rate (queue, until);
  CREATE TABLE blocked (
    queue INTEGER, id TEXT, grp TEXT, message, waits INTEGER NOT NULL,
    since INTEGER NOT NULL, PRIMARY KEY (queue, id)
  ) WITHOUT ROWID;
  CREATE INDEX blocked_since ON blocked (queue, since);
  CREATE TABLE awaited (
    queue INTEGER, id TEXT, blocked_queue INTEGER, blocked_id TEXT,
    PRIMARY KEY (queue, id, blocked_queue, blocked_id)
  ) WITHOUT ROWID;
  CREATE TABLE job_update (
    queue INTEGER, job TEXT, seq INTEGER, body TEXT NOT NULL,
    PRIMARY KEY (queue, job, seq)
  ) WITHOUT ROWID;
  CREATE TABLE updated_job (
    queue INTEGER, job TEXT, until INTEGER NOT NULL, PRIMARY KEY (queue, job)
  ) WITHOUT ROWID;
  CREATE INDEX updated_job_until ON updated_job (queue, until);
  CREATE TABLE schedule (
    queue INTEGER, name TEXT, definition TEXT NOT NULL, next INTEGER,
    PRIMARY KEY (queue, name)
  ) WITHOUT ROWID;
  CREATE INDEX schedule_next ON schedule (queue, next);
  CREATE TABLE total (
    queue INTEGER PRIMARY KEY, done INTEGER NOT NULL, failed INTEGER NOT NULL
  );
`;

/**
 * What version 3 changed: a transaction writes each page that it touches to the
 * log, so batches have neither an index nor a counter (`sqlite_sequence`) of
 * their own; their ids are numbers of the queue's order. The tables have other
 * names, so that no worker of version 2 takes batches of two queues for one: it
 * can't renew its lease any more, and what it holds runs again.
 */
const THIRD = `
  CREATE TABLE held_batch (
    queue INTEGER, worker TEXT, id INTEGER, mark TEXT NOT NULL,
    held INTEGER NOT NULL, PRIMARY KEY (queue, worker, id)
  ) WITHOUT ROWID;
  CREATE TABLE held_job (
    queue INTEGER, batch INTEGER, seq INTEGER, message,
    PRIMARY KEY (queue, batch, seq)
  ) WITHOUT ROWID;
  UPDATE queue SET seq = max(seq, (SELECT coalesce(max(id), 0) FROM batch));
  INSERT INTO held_batch SELECT queue, worker, id, mark, held FROM batch;
  INSERT INTO held_job SELECT queue, batch, seq, message
    FROM held JOIN batch ON batch.id = held.batch;
  DROP TABLE held;
  DROP TABLE batch;
`;

/** What makes a file of each version one of the next. */
export const VERSIONS: readonly string[] = [FIRST, SECOND, THIRD];
/** The version of the tables that this program makes. */
export const TABLES_VERSION: number = VERSIONS.length;

/**
 * Opens the file; makes it, and its tables, if they are not there.
 *
 * @throws {BrokerError} If it can't be made or opened, or is not ours.
 * @throws {SchemaError} If a later version of this program made it.
 */
export async function openDatabase(path: string): Promise<Database> {
  if (path !== MEMORY) makeFile(path);
  const end = performance.now() + OPEN_WITHIN_MS;
  for (;;) {
    try {
      return open(path);
    } catch (error) {
      if (isLocked(error) && performance.now() < end) {
        await sleep(1 + Math.random() * 4);
        continue;
      }
      throw explained(error, path);
    }
  }
}

/** The version of the tables in the file, as it is now. */
export function schemaVersion(db: Database): number {
  return db.value("PRAGMA user_version") as number;
}

function open(path: string): Database {
  const db = new Database(path);
  try {
    // First, so that a database of another program stays as it is.
    const current = isCurrent(db, path);
    db.exec(PRAGMAS);
    if (!current) makeTables(db, path);
    return db;
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
}

function makeTables(db: Database, path: string): void {
  db.exec("BEGIN IMMEDIATE");
  // Another process may have been first.
  if (!isCurrent(db, path)) {
    VERSIONS.slice(schemaVersion(db)).forEach((change) => db.exec(change));
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.exec(`PRAGMA user_version = ${TABLES_VERSION}`);
  }
  db.exec("COMMIT");
}

/** Whether all tables are there; if none is, nothing else may be either. */
function isCurrent(db: Database, path: string): boolean {
  // One statement, so that nobody can make the tables in between.
  const [tables, application, version] = db.row(
    `SELECT (SELECT count(*) FROM sqlite_schema), application_id, user_version
       FROM pragma_application_id, pragma_user_version`,
  ) as number[];
  if (tables === 0) return false;
  if (application !== APPLICATION_ID) {
    throw new BrokerError(
      `Cannot use ${path} as a queue: it is a database of another program`,
    );
  }
  if (version > TABLES_VERSION) {
    throw new SchemaError(
      `Cannot use ${path}: it has schema version ${version}, ` +
        `this program writes ${TABLES_VERSION}`,
    );
  }
  return version === TABLES_VERSION;
}

/** Makes the folder, if it is ours, and the file, which only we may read. */
function makeFile(path: string): void {
  const folder = dirname(path);
  try {
    if (basename(folder) === OWN_FOLDER) {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      makeOnce(join(folder, ".gitignore"), "*\n");
    }
    makeOnce(path, "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new BrokerError(
        `Cannot open ${path}: the folder ${folder} does not exist`,
        { cause: error },
      );
    }
    throw new BrokerError(`Cannot open ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Writes a file unless there is one. */
export function makeOnce(path: string, text: string): void {
  try {
    Deno.writeTextFileSync(path, text, { createNew: true, mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function explained(error: unknown, path: string): Error {
  if (error instanceof Error && /not a database/.test(error.message)) {
    return new BrokerError(
      `Cannot open ${path}: it is not an SQLite database`,
      { cause: error },
    );
  }
  const mapped = toBrokerError(error, "open the queue file", path);
  // Nobody can do anything about it yet: certain for a caller.
  return isLocked(error)
    ? new BrokerError(mapped.message, { cause: error })
    : mapped;
}
