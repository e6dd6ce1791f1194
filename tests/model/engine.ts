import type { Amendment } from "./mutations.ts";
import type { RunReport } from "./run_seed.ts";

/** `sqlite-processes`: real processes at the embedded file, killed at random. */
export type BrokerName = "redis" | "sqlite" | "sqlite-processes";

/** How one seed is run. */
export interface SeedOptions {
  readonly seed: number;
  /** After so many steps the faults end. */
  readonly steps?: number;
  readonly checkEvery?: number;
}

/** Runs seeds on one real broker. */
export interface Engine extends AsyncDisposable {
  /** Runs that may go on at the same time. */
  readonly lanes: number;
  /** The same seed fails in the same way, so a shorter run can be looked for. */
  readonly canShorten: boolean;
  run(options: SeedOptions): Promise<RunReport>;
}

/** Starts what the runs of a broker need, and ends it when disposed. */
export async function openEngine(
  broker: BrokerName,
  without?: Amendment,
): Promise<Engine> {
  if (broker === "sqlite-processes") {
    return (await import("./sqlite_kills.ts")).openKills();
  }
  if (broker === "sqlite") {
    return await (await import("./sqlite_engine.ts")).openSqlite(without);
  }
  return await (await import("./redis_engine.ts")).openRedis(without);
}
