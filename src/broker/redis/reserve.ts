import type { Batch, ReserveRequest, Taken } from "../broker.ts";
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
  const [code, batch, suspects, messages, cancels, blocked, again] =
    await runner.run(
      "reserve",
      [
        ...keys.lease(worker),
        keys.crashed,
        keys.suspect,
        keys.inbox,
        keys.ready,
        keys.failed,
        keys.groups,
        keys.ring,
        keys.groupDue,
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
    ) as [keyof typeof KINDS, number, number, string[], number, number, number];
  const mark = MARKS[code];
  const tokens: string[] = [];
  for (let i = 0; i < messages.length; i++) {
    tokens.push(`${batch}:${i}${mark}`);
  }
  return {
    kind: KINDS[code],
    tokens,
    messages,
    suspects,
    cancels,
    ...(blocked > 0 && { blockedMs: blocked }),
    ...(again > 0 && { againMs: again }),
  };
}

/** See `Broker.take`. */
export async function take(
  runner: ScriptRunner,
  { messageBytes, failed }: Limits,
  keys: QueueKeys,
  { limit, bytes }: Pick<ReserveRequest, "limit" | "bytes">,
): Promise<Taken> {
  const [messages, cancels, blocked, again] = await runner.run(
    "take",
    [
      keys.meta,
      keys.inbox,
      keys.ready,
      keys.suspect,
      keys.crashed,
      keys.failed,
      keys.groups,
      keys.ring,
      keys.groupDue,
      keys.unique,
    ],
    [limit, bytes, messageBytes, failed].map(String),
  ) as [string[], number, number, number];
  return {
    messages,
    cancels,
    ...(blocked > 0 && { blockedMs: blocked }),
    ...(again > 0 && { againMs: again }),
  };
}
