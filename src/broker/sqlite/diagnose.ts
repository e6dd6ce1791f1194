import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { type Finding, rehearse } from "../diagnosis.ts";
import type { Dsn } from "../dsn.ts";
import { openDatabase, schemaVersion } from "./schema.ts";
import { SqliteBroker } from "./sqlite_broker.ts";
import { Transactions } from "./transaction.ts";

const LITTLE_BYTES = 100e6;
/** Magic numbers of file systems whose locks can't be relied on. */
const NETWORK: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xfe534d42: "SMB",
  0xff534d42: "CIFS",
};

/** Looks at a file, which is not made. */
export async function* diagnoseSqlite(
  dsn: Extract<Dsn, { kind: "sqlite" }>,
): AsyncGenerator<Finding> {
  const { path } = dsn;
  if (!existsSync(path)) {
    yield {
      ...{ check: "file", state: "ok" },
      found: `${path} is not there yet; the first job makes it`,
    };
    return;
  }
  yield { check: "file", state: "ok", found: path };
  yield disk(path);
  try {
    using db = await openDatabase(path);
    yield {
      ...{ check: "schema", state: "ok" },
      found: `version ${schemaVersion(db)}`,
    };
    const found = String(db.value("PRAGMA quick_check(1)"));
    yield found === "ok" ? { check: "integrity", state: "ok", found } : {
      ...{ check: "integrity", state: "problem", found },
      advice: "the file is damaged: take a copy of before",
    };
  } catch (error) {
    const found = (error as Error).message;
    yield { check: "schema", state: "problem", found };
    return;
  }
  yield {
    check: "rehearsal",
    ...await rehearse(
      () => SqliteBroker.open(dsn),
      (queue) => forget(path, queue),
    ),
  };
}

function disk(path: string): Finding {
  const { bavail, bsize, type } = statfsSync(dirname(path));
  const network = NETWORK[type];
  if (network !== undefined) {
    return {
      ...{ check: "disk", state: "problem", found: `it is on ${network}` },
      advice: "locks are not reliable there: use a local disk",
    };
  }
  const free = bavail * bsize;
  const found = `${(free / 1e6).toFixed(0)} MB free`;
  return free >= LITTLE_BYTES ? { check: "disk", state: "ok", found } : {
    ...{ check: "disk", state: "warning", found },
    advice: "on a full disk no job can be sent, run or settled",
  };
}

async function forget(path: string, name: string): Promise<void> {
  using db = await openDatabase(path);
  await using transactions = new Transactions(db, path, () => {});
  await transactions.write("take the rehearsal away", () => {
    const queue = db.value("SELECT id FROM queue WHERE name = ?", name);
    if (typeof queue !== "number") return;
    const tables = [
      "waiting",
      "worker",
      "bucket",
      "result",
      "held_batch",
      "held_job",
    ];
    for (const table of tables) {
      db.run(`DELETE FROM ${table} WHERE queue = ?`, queue);
    }
    db.run("DELETE FROM queue WHERE id = ?", queue);
  });
}
