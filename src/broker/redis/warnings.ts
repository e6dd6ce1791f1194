import type { Connection } from "./connection.ts";
import { ReplyError } from "./errors.ts";

/** See `Broker.warnings`. */
export async function readWarnings(connection: Connection): Promise<string[]> {
  const [appendOnly, policy] = await Promise.all([
    readSetting(connection, "appendonly"),
    readSetting(connection, "maxmemory-policy"),
  ]);
  const warnings: string[] = [];
  if (appendOnly === "no") {
    warnings.push(
      "Redis keeps no append-only file, so a restart can lose jobs: " +
        "set `appendonly yes`",
    );
  }
  if (policy !== undefined && policy !== "noeviction") {
    warnings.push(
      `Redis may evict jobs when it is full (maxmemory-policy is ${policy}): ` +
        "set `maxmemory-policy noeviction`",
    );
  }
  return warnings;
}

/** A setting, or `undefined` where reading it is not allowed. */
export async function readSetting(
  connection: Connection,
  name: string,
): Promise<string | undefined> {
  try {
    const reply = await connection.call(undefined, ["CONFIG", "GET", name]);
    return (reply as Record<string, string>)[name];
  } catch (error) {
    if (error instanceof ReplyError) return undefined;
    throw error;
  }
}
