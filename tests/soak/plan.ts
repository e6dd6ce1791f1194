import { Random } from "../model/random.ts";
import type { BrokerKind } from "../guarantees/site.ts";

/** Kinds of faults, each with how often it comes against the others. */
const WEIGHTS = {
  /** `kill -9` of a worker. */
  killWorker: 10,
  /** `kill -9` of a master; a new program after it. */
  killMaster: 3,
  /** SIGSTOP of a worker, and SIGCONT after a while. */
  stopWorker: 3,
  /** HUP to a master. */
  hangUp: 3,
  /** TERM to a master, and a new program. */
  endMaster: 3,
  /** SIGSTOP of a producer, and SIGCONT after a while. */
  blockClient: 2,
  /** `kill -9` of a producer, and a new one. */
  killClient: 2,
  loops: 2,
  eats: 2,
  exits: 2,
  floats: 2,
  deaf: 1,
  /** `kill -9` of Redis, restarted after a while from its AOF. */
  killRedis: 3,
  /** SIGSTOP of Redis, and SIGCONT after a while. */
  pauseRedis: 3,
  /** SCRIPT FLUSH. */
  flushScripts: 2,
} as const;

/** What goes wrong. */
export type FaultKind = keyof typeof WEIGHTS;

const ONLY_REDIS: readonly FaultKind[] = [
  "killRedis",
  "pauseRedis",
  "flushScripts",
];

/** One fault of a plan. */
export interface Fault {
  /** Milliseconds from the start. */
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Which of its targets: the rest of a division by their number. */
  readonly target: number;
  /** How long it lasts, if it lasts. */
  readonly forMs: number;
}

const LEAST_GAP_MS = 1_000;
const LONGEST_GAP_MS = 5_000;
/** Of a suspension, now and then: longer than a lease. */
const LONG_MS = 14_000;

/** All faults of a run: the same for the same arguments. */
export function planFaults(
  seed: number,
  broker: BrokerKind,
  lastMs: number,
): Fault[] {
  const random = new Random(seed);
  const weights: Record<string, number> = { ...WEIGHTS };
  if (broker !== "redis") { for (const kind of ONLY_REDIS) weights[kind] = 0; }
  const faults: Fault[] = [];
  for (let atMs = 0;;) {
    atMs += random.whole(LEAST_GAP_MS, LONGEST_GAP_MS);
    if (atMs > lastMs) return faults;
    const kind = random.weighted(weights) as FaultKind;
    const target = random.whole(0, 999);
    const long = kind === "stopWorker" && random.chance(0.4);
    const forMs = long ? LONG_MS : random.whole(500, 4_000);
    faults.push({ atMs, kind, target, forMs });
  }
}

/** One line for each fault. */
export function printPlan(faults: readonly Fault[]): string[] {
  return faults.map(({ atMs, kind, target, forMs }) =>
    `${(atMs / 1000).toFixed(1)} s ${kind} ${target} ${forMs} ms`
  );
}
