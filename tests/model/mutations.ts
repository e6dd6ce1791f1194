/**
 * The protocol without one of its amendments (PROTOCOL.md, section 1): the
 * model must find what goes wrong then.
 *
 * @module
 */
import type { Broker } from "../../src/broker/broker.ts";
import { SCRIPTS } from "../../src/broker/redis/lua.ts";
import type { ScriptTexts } from "../../src/broker/redis/scripts.ts";
import { Slot } from "../../src/thread/protocol.ts";
import type { Flight } from "../../src/worker/flight.ts";
import type { Holdings } from "../../src/worker/holdings.ts";
import { overriding } from "./overriding.ts";

/** An amendment that a run can do without. */
export type Amendment =
  | "F1"
  | "F2"
  | "F4"
  | "F6"
  | "F7"
  | "renew"
  | "lapse"
  | "idle"
  | "order";

/** All of them, and whether they concern a store without a network too. */
export const AMENDMENTS: Readonly<
  Record<Amendment, { readonly says: string; readonly sqlite: boolean }>
> = {
  F1: { says: "the store numbers the batches", sqlite: false },
  F2: { says: "a reserve says how much is known to be held", sqlite: false },
  F4: { says: "an uncertain release is repeated", sqlite: false },
  F6: { says: "who was charged for a crash runs alone", sqlite: true },
  F7: { says: "only a suspect that began is charged", sqlite: true },
  renew: { says: "a heartbeat renews the lease", sqlite: true },
  lapse: { says: "only a lease that lapsed is taken away", sqlite: true },
  idle: { says: "idle means nothing in flight in any queue", sqlite: true },
  order: { says: "queues are asked in strict order", sqlite: true },
};

/** The scripts of Redis without an amendment. */
export function brokenScripts(without?: Amendment): ScriptTexts["scripts"] {
  switch (without) {
    case "F1":
      // The worker numbers its batches: see `tamperWith`.
      return {
        reserve: replaced(
          SCRIPTS.reserve.body,
          "redis.call('HINCRBY', meta, 'batch', 1)",
          "ARGV[#ARGV]",
        ),
      };
    case "F2":
      return {
        reserve: replaced(
          SCRIPTS.reserve.body,
          "if known and holds ~= known then",
          "if false then",
        ),
      };
    case "F7":
      return {
        reserve: replaced(SCRIPTS.reserve.body, "':s'", "':r'"),
        begin: "return ARGV[3]",
      };
  }
  return {};
}

/** What a worker without an amendment adds to its commands. */
export function tamperWith(
  without?: Amendment,
): ((name: string, owner: string, args: string[]) => void) | undefined {
  if (without === "lapse") {
    return (name, _owner, args) => {
      if (name !== "recover") return;
      args.splice(0, args.length, ...args.map(unchecked));
    };
  }
  if (without !== "F1") return undefined;
  const batches = new Map<string, number>();
  return (name, owner, args) => {
    if (name !== "reserve") return;
    const batch = (batches.get(owner) ?? 0) + 1;
    batches.set(owner, batch);
    args.push(String(batch));
  };
}

/** The reason of a recovery for which nothing is checked. */
export function unchecked<T>(reason: T): T | "replaced" {
  return reason === "lapsed" ? "replaced" : reason;
}

/** A broker whose renewals are never sent. */
export function neverRenewing(
  broker: Broker,
  holdings: ReadonlyMap<string, Holdings>,
): Broker {
  return overriding(broker, {
    renew: (_worker, queues) =>
      Promise.resolve(
        queues.map((queue) => ({
          held: holdings.get(queue)!.held,
          schema: 1,
          cancels: 0,
        })),
      ),
  });
}

/** Holdings that take a suspect when their own queue is idle. */
export function idleByItself(holdings: Holdings): Holdings {
  return overriding(holdings, {
    reserve: (request, adopt) =>
      holdings.reserve({ ...request, idle: holdings.held === 0 }, adopt),
  });
}

/** Holdings that never notice what a renewal says; part of F2. */
export function agreeable(holdings: Holdings): Holdings {
  return overriding(holdings, { disagree: () => Promise.resolve() });
}

/** Hands jobs back as before F4: after a doubt they are ours again. */
export async function releaseOnce(
  flight: Flight,
  blocked: Set<string>,
  release: (tokens: readonly string[]) => Promise<void>,
): Promise<void> {
  const open = flight.tokens.map((_, index) => index).filter((index) =>
    flight.slot(index) === Slot.waiting && !blocked.has(placeOf(flight, index))
  );
  if (open.length === 0) return;
  const tokens = open.map((index) => flight.tokens[index]);
  const places = open.map((index) => placeOf(flight, index));
  for (const place of places) blocked.add(place);
  try {
    await release(tokens);
    for (const index of open) {
      if (flight.takeBackOne(index) && flight.leave(index)) flight.gone(index);
    }
  } finally {
    for (const place of places) blocked.delete(place);
  }
}

/** What a job of a flight is called in all queues. */
export function placeOf({ queue, tokens }: Flight, index: number): string {
  return `${queue} ${tokens[index]}`;
}

function replaced(text: string, old: string, by: string): string {
  if (!text.includes(old)) {
    throw new Error(`Cannot break a script: "${old}" is not in it any more`);
  }
  return text.replace(old, by);
}
