import type { Broker } from "./broker.ts";
import type { Finding } from "./diagnosis.ts";
import { type Dsn, parseDsn } from "./dsn.ts";
import type { Inspector } from "./inspector.ts";

/** How a broker is used. */
export interface OpenOptions {
  /**
   * `"client"`: connections do not keep the program alive while no call is
   * pending, and a lost server is looked for in the background. `"worker"`:
   * they do. Default `"worker"`.
   */
  readonly role?: "client" | "worker";
}

/**
 * Opens the broker that a DSN names; only its code is loaded.
 *
 * @throws {ArgumentError} If the DSN can't be read.
 * @throws {BrokerError} If it can't be reached or opened.
 */
export async function openBroker(
  dsn: string | Dsn,
  options: OpenOptions = {},
): Promise<Broker> {
  const parsed = typeof dsn === "string" ? parseDsn(dsn) : dsn;
  if (parsed.kind === "sqlite") {
    const { SqliteBroker } = await import("./sqlite/sqlite_broker.ts");
    return await SqliteBroker.open(parsed, options);
  }
  const { RedisBroker } = await import("./redis/redis_broker.ts");
  return await RedisBroker.open(parsed, options);
}

/** Opens the inspector of the broker that a DSN names; errors as above. */
export async function openInspector(dsn: string | Dsn): Promise<Inspector> {
  const parsed = typeof dsn === "string" ? parseDsn(dsn) : dsn;
  if (parsed.kind === "sqlite") {
    const { SqliteInspector } = await import("./sqlite/sqlite_inspector.ts");
    return await SqliteInspector.open(parsed);
  }
  const { RedisInspector } = await import("./redis/redis_inspector.ts");
  return await RedisInspector.open(parsed);
}

/** Looks whether the store that a DSN names is fit for jobs. */
export async function* diagnose(dsn: Dsn): AsyncGenerator<Finding> {
  if (dsn.kind === "sqlite") {
    const { diagnoseSqlite } = await import("./sqlite/diagnose.ts");
    yield* diagnoseSqlite(dsn);
  } else {
    const { diagnoseRedis } = await import("./redis/diagnose.ts");
    yield* diagnoseRedis(dsn);
  }
}
