/**
 * What must be true of the store at any moment, and at the end.
 *
 * @module
 */
import { decodeFailedEntry, decodeOutcome } from "../../src/job/outcome.ts";
import { type Account, labelOf, type Ledger, Violation } from "./ledger.ts";
import type { Look } from "./store.ts";
import type { World } from "./world.ts";

/** Each job is in one place, and whoever holds one has a place. */
export async function check(world: World): Promise<Look> {
  const look = await world.store.look(world.names);
  const places = new Map<string, string[]>();
  const put = (message: string, queue: string, place: string) => {
    const { label, queue: own } = world.ledger.of(message);
    if (queue !== own) {
      throw new Violation(`${label} is in ${queue}, but belongs in ${own}`);
    }
    const all = places.get(label);
    if (all === undefined) places.set(label, [place]);
    else all.push(place);
  };
  for (const { queue, place, message } of look.waiting) {
    put(message, queue, place);
  }
  for (const { queue, worker, token, message } of look.held) {
    put(message, queue, `held by ${worker} as ${token}`);
    const state = look.places.get(`${queue} ${worker}`);
    if (state === "living") continue;
    throw new Violation(
      `${worker} holds ${labelOf(message)}, but its place is ` +
        (state ?? "gone"),
    );
  }
  for (const { queue, entry } of look.failed) put(entry, queue, "failed");
  for (const { label, born, done } of world.ledger.accounts.values()) {
    const found = places.get(label) ?? [];
    const gone = world.ledger.fast.gone(label);
    if (found.length + done + gone === born) continue;
    throw new Violation(
      `${label} was stored ${born} times, and is ` +
        (found.length + done + gone < born ? "lost" : "in too many places") +
        `: done ${done} times, ${gone} times given to fast workers, ${
          found.join(", ") || "nowhere else"
        }`,
    );
  }
  return look;
}

/** Nothing waits and nothing is held: all jobs have ended. */
export function isOver(look: Look): boolean {
  return look.waiting.length === 0 && look.held.length === 0;
}

/** All jobs ended as their kind says, and nothing else is left. */
export async function checkEnd(world: World): Promise<void> {
  const look = await check(world);
  if (!isOver(look)) {
    const { place, message } = look.waiting[0] ??
      { ...look.held[0], place: `held by ${look.held[0].worker}` };
    throw new Violation(
      `${labelOf(message)} never ends: it stays ${place}`,
    );
  }
  const failed = new Map<string, number[]>();
  for (const { entry: text } of look.failed) {
    const { message, attempts } = decodeFailedEntry(text);
    const label = labelOf(message);
    failed.set(label, [...failed.get(label) ?? [], attempts]);
  }
  for (const account of world.ledger.accounts.values()) {
    checkAccount(world, account, failed.get(account.label) ?? []);
  }
  await checkResults(world);
}

function checkAccount(
  world: World,
  account: Account,
  failed: readonly number[],
): void {
  const { label, kind, retries, born, done, charged, killed } = account;
  const fails = kind !== "plain" && kind !== "flaky";
  const { fast } = world.ledger;
  fast.check(label);
  const left = born - fast.gone(label);
  if (fails ? failed.length !== left || done > 0 : done !== left) {
    throw new Violation(
      `${label} (${kind}, stored ${born} times) is done ${done} times and ` +
        `failed ${failed.length} times`,
    );
  }
  const attempts = kind === "garbage" ? 0 : retries + 1;
  if (failed.some((count) => count !== attempts)) {
    throw new Violation(
      `${label} (${kind}) failed after ${failed} attempts, not ${attempts}`,
    );
  }
  if (kind === "poison" && killed > 1 + attempts + fast.gone(label)) {
    throw new Violation(
      `${label} killed ${killed} workers in ${attempts} attempts`,
    );
  }
  if (kind !== "poison" && world.onlyPoisonKilled && charged > 0) {
    throw new Violation(
      `${label} was charged for ${charged} crashes of its neighbours`,
    );
  }
}

/** What is stored as outcome is what happened. */
async function checkResults(world: World): Promise<void> {
  const { store, ledger, ids } = world;
  const broker = world.directBroker();
  for (const queue of store.queues) {
    const known = [...ids].filter(([, label]) =>
      ledger.accounts.get(label)!.queue === queue
    );
    const outcomes = await broker.results(queue, known.map(([id]) => id));
    outcomes.forEach((text, index) => {
      // Results go after an hour, and clocks jump.
      if (text !== null) checkResult(ledger, known[index][1], text);
    });
  }
}

function checkResult(ledger: Ledger, label: string, text: string): void {
  const { kind } = ledger.accounts.get(label)!;
  const outcome = decodeOutcome(text);
  const mayFail = kind === "failing" || kind === "poison" ||
    kind === "flaky" && ledger.fast.gone(label) > 0;
  const mayEnd = kind === "plain" || kind === "flaky";
  const fits = outcome.kind === "failed"
    ? mayFail
    : mayEnd && outcome.kind === "done" && outcome.json === `"ok ${label}"`;
  if (!fits) throw new Violation(`${label} has the outcome ${text}`);
}

/** After the last process and the last tick nothing is left of any worker. */
export async function checkLeftovers(world: World): Promise<void> {
  const left = await world.store.leftovers();
  if (left.length > 0) {
    throw new Violation(`left in the store at the end: ${left.join(", ")}`);
  }
}
