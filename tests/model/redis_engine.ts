import { ServerConnection } from "../../src/broker/redis/connection.ts";
import { RedisServer } from "../harness/redis_server.ts";
import type { Engine, SeedOptions } from "./engine.ts";
import { type Amendment, brokenScripts, tamperWith } from "./mutations.ts";
import { namesOf } from "./store.ts";
import { loadScripts, type RedisParts, RedisStore } from "./redis_store.ts";
import { type RunReport, runSeed } from "./run_seed.ts";

/** Runs of which one in so many switches the memory limit of its server. */
const MEMORY_EVERY = 16;
/** While one waits for the server, others go on. */
const LANES = 16;

/** Runs on a Redis server of their own. */
export async function openRedis(without?: Amendment): Promise<Engine> {
  await using resources = new AsyncDisposableStack();
  const shared = await openServer(resources, without);
  const owned = resources.move();
  const runOn = (
    parts: RedisParts,
    options: SeedOptions,
    memory: boolean,
  ): Promise<RunReport> =>
    runSeed(
      { ...options, without, memory, network: true },
      (ledger, queues) =>
        new RedisStore(parts, namesOf(options.seed, queues), ledger),
    );
  let own: Promise<RedisParts> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return {
    lanes: LANES,
    canShorten: true,
    run(options) {
      if (options.seed % MEMORY_EVERY > 0) return runOn(shared, options, false);
      // The limit holds for all, so these have a server one after the other.
      own ??= openServer(owned, without);
      const run = last.then(async () => await runOn(await own!, options, true));
      last = run.catch(() => {});
      return run;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function openServer(
  resources: AsyncDisposableStack,
  without?: Amendment,
): Promise<RedisParts> {
  const server = resources.use(await RedisServer.start());
  const connection = resources.use(new ServerConnection({ url: server.url }));
  await connection.open();
  const scripts = await loadScripts(connection, brokenScripts(without));
  return { connection, ...scripts, tamper: tamperWith(without) };
}
