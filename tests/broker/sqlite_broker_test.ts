import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { TABLES_VERSION } from "../../src/broker/sqlite/schema.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import { SqliteInspector } from "../../src/broker/sqlite/sqlite_inspector.ts";
import { TempDir } from "../harness/temp_dir.ts";
import type { OpenStore } from "./conformance/store.ts";
import { exercise } from "./conformance/suite.ts";

// One file for all cases, as each has a queue of its own. It stays open in
// between: the last to close it would write back all of it.
let folder: TempDir;
let keeper: SqliteBroker;
Deno.test.beforeAll(async () => {
  folder = new TempDir();
  keeper = await SqliteBroker.open(dsn());
});
Deno.test.afterAll(async () => {
  await keeper[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function dsn() {
  return { kind: "sqlite", path: join(folder.path, "queue.sqlite") } as const;
}

function setSchema(version: number): void {
  using db = new DatabaseSync(dsn().path);
  db.exec(`PRAGMA user_version = ${version}`);
}

const openStore: OpenStore = async (limits) => {
  const resources = new AsyncDisposableStack();
  let now = Date.now();
  const options = { limits, clock: () => now };
  const open = async () =>
    resources.use(await SqliteBroker.open(dsn(), options));
  return {
    broker: await open(),
    inspector: resources.use(await SqliteInspector.open(dsn(), () => now)),
    second: open,
    nowMs: () => now,
    advance(ms) {
      now += ms;
      return Promise.resolve();
    },
    setSchema(_queue, version) {
      setSchema(version);
      resources.defer(() => setSchema(TABLES_VERSION));
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
};

exercise("sqlite", openStore);
