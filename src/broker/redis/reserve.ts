import type { Batch, ReserveRequest } from "../broker.ts";
import type { Limits } from "../limits.ts";
import type { QueueKeys } from "./keys.ts";
import type { ScriptRunner } from "./scripts.ts";

const KINDS = { C: "crashed", S: "suspect", R: "ready" } as const;
const MARKS = { C: ":c", S: ":s", R: "" } as const;

/** See `Broker.reserve`. */
export async function reserve(
  runner: ScriptRunner,
  limits: Limits,
  worker: string,
  keys: QueueKeys,
  { limit, bytes, known, idle }: ReserveRequest,
): Promise<Batch> {
  const [code, batch, suspects, messages] = await runner.run(
    "reserve",
    [
      ...keys.lease(worker),
      keys.crashed,
      keys.suspect,
      keys.inbox,
      keys.ready,
      keys.failed,
    ],
    [
      worker,
      String(limit),
      String(bytes),
      known === undefined ? "" : String(known),
      idle ? "1" : "0",
      String(limits.messageBytes),
      String(limits.failed),
    ],
  ) as [keyof typeof KINDS, number, number, string[]];
  const mark = MARKS[code];
  const tokens: string[] = [];
  for (let i = 0; i < messages.length; i++) {
    tokens.push(`${batch}:${i}${mark}`);
  }
  return { kind: KINDS[code], tokens, messages, suspects };
}
