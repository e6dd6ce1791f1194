/**
 * Which server is the master: asked anew for each connection, so that a
 * failover is followed by whoever has lost the old one.
 *
 * @module
 */
import type { HostPort, RedisAddress, Sentinels } from "../redis_dsn.ts";
import { askOnce, Client } from "./client.ts";

/** One that does not answer must not keep us from the next. */
const ASK_WITHIN_MS = 1000;

/**
 * Asks the sentinels, one after the other.
 *
 * @throws {Error} If none of them knows the master; says what each answered.
 */
export async function findMaster(
  address: RedisAddress,
  { sentinels, masterName }: Sentinels,
): Promise<HostPort> {
  const reasons: string[] = [];
  for (const sentinel of sentinels) {
    const name = `sentinel ${sentinel.host}:${sentinel.port}`;
    try {
      const found = await ask(address, sentinel, masterName, `asking ${name}`);
      if (found !== undefined) return found;
      reasons.push(`${name} knows no master ${masterName}`);
    } catch (error) {
      reasons.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new Error(reasons.join("; "));
}

async function ask(
  address: RedisAddress,
  sentinel: HostPort,
  masterName: string,
  what: string,
): Promise<HostPort | undefined> {
  const answer = await askOnce(
    new Client(address, sentinel, { sentinel: true }),
    ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName],
    ASK_WITHIN_MS,
    what,
  ) as [string, string] | null;
  return answer === null
    ? undefined
    : { host: answer[0], port: Number(answer[1]) };
}

/**
 * Whether a server is a master at this moment: one that comes back after a
 * failover believes it for a while, and a sentinel may be late.
 */
export async function isMaster(client: Client): Promise<boolean> {
  // ROLE is a right that few users have.
  const { role } = await client.call(["HELLO", "3"]) as {
    role: string;
  };
  return role === "master";
}
