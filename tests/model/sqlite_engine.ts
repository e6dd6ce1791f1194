import { existsSync } from "node:fs";
import { join } from "node:path";
import { Database } from "../../src/broker/sqlite/database.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import type { Engine } from "./engine.ts";
import type { Amendment } from "./mutations.ts";
import { runSeed } from "./run_seed.ts";
import { namesOf } from "./store.ts";
import { SqliteStore } from "./sqlite_store.ts";

/** Workers share so many connections: all of them write the same file. */
const BROKERS = 3;
/** In memory, where a commit that waits for the disk costs nothing. */
const MEMORY_FOLDER = "/dev/shm";

/** Runs on the embedded broker, one after the other. */
export async function openSqlite(without?: Amendment): Promise<Engine> {
  await using resources = new AsyncDisposableStack();
  const folder = Deno.makeTempDirSync({
    prefix: "mqk_model_",
    dir: existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : undefined,
  });
  resources.defer(() => Deno.removeSync(folder, { recursive: true }));
  const path = join(folder, "queue.sqlite");
  const clock = { nowMs: 0 };
  const brokers: SqliteBroker[] = [];
  for (let i = 0; i < BROKERS; i++) {
    brokers.push(resources.use(
      await SqliteBroker.open({ kind: "sqlite", path }, {
        clock: () => clock.nowMs,
      }),
    ));
  }
  const db = resources.use(new Database(path));
  const owned = resources.move();
  return {
    lanes: 1,
    canShorten: true,
    run: (options) =>
      runSeed(
        { ...options, without, memory: false, network: false },
        (ledger, queues) =>
          new SqliteStore(
            { brokers, db, clock, without },
            namesOf(options.seed, queues),
            ledger,
          ),
      ),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
