/**
 * What workers say of themselves: a hash each that expires, and their names.
 *
 * @module
 */
import type { WorkerRecord } from "../inspector.ts";
import type { Connection } from "./connection.ts";
import type { KeySpace } from "./keys.ts";
import { explain, type ScriptRunner } from "./scripts.ts";

/** How long a worker's health is kept. */
const KEPT_SECONDS = 60;
/** Names of workers that are gone stay longer, as clocks of machines differ. */
const NAMES_KEPT_MS = 3_600_000;

/** See `Broker.report`. */
export async function reportWorker(
  connection: Connection,
  runner: ScriptRunner,
  space: KeySpace,
  worker: string,
  health: Readonly<Record<string, string>>,
): Promise<void> {
  const { workers } = space;
  const record = space.worker(worker);
  const fields = Object.entries(health).flat();
  if (fields.length === 0) {
    await connection.call(record, ["DEL", record]);
    await connection.call(workers, ["ZREM", workers, worker]);
    return;
  }
  await runner.run("report", [record], [String(KEPT_SECONDS), ...fields]);
  const nowMs = Date.now();
  await connection.callAll(workers, [
    ["ZADD", workers, String(nowMs), worker],
    ["ZREMRANGEBYSCORE", workers, "-inf", String(nowMs - NAMES_KEPT_MS)],
  ]);
}

/** Workers whose health is known. */
export async function readWorkers(
  connection: Connection,
  space: KeySpace,
): Promise<WorkerRecord[]> {
  const { workers } = space;
  try {
    const names = await connection
      .call(workers, ["ZRANGE", workers, "0", "-1"]) as string[];
    const records = await Promise.all(
      names.map((name) => readWorker(connection, space, name)),
    );
    return records.filter((record) => record !== undefined);
  } catch (error) {
    throw await explain(connection, error, "list workers", [workers]);
  }
}

async function readWorker(
  connection: Connection,
  space: KeySpace,
  name: string,
): Promise<WorkerRecord | undefined> {
  const key = space.worker(name);
  const [fields, leftMs] = await connection.callAll(key, [
    ["HGETALL", key],
    ["PTTL", key],
  ]) as [Record<string, string>, number];
  if (leftMs < 0) return undefined;
  const ageMs = Math.max(0, KEPT_SECONDS * 1000 - leftMs);
  return { name, health: { ...fields }, ageMs };
}
