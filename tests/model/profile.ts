import type { Random } from "./random.ts";
import type { JobKind } from "./ledger.ts";

/** What can go wrong, each with its weight beside the ordinary steps. */
export interface Faults {
  crash: number;
  /** A connection is lost with all that was on its way. */
  break: number;
  /** A connection can't be made. */
  refuse: number;
  /** A command that was given up is run after all. */
  stray: number;
  suspend: number;
  /** A wait is served that nobody hears of. */
  orphan: number;
  /** The clock of the store is set. */
  jump: number;
  /** The clock of a worker is set. */
  wallJump: number;
  memory: number;
  /** A worker is told to stop. */
  stop: number;
  /** A worker more. */
  spawn: number;
  /** Someone reaps who is no worker. */
  reaper: number;
  /** Someone takes a worker for lapsed. */
  accuse: number;
}

/** What a seed decides before the first step. */
export interface Profile {
  readonly queues: number;
  readonly workers: number;
  /** How many of the workers are fast ones. */
  readonly fast: number;
  /** How many of the jobs take long. */
  readonly slow: number;
  readonly jobs: number;
  readonly steps: number;
  readonly faults: Faults;
  /** How often a command that is delivered is delivered again later. */
  readonly duplicates: number;
  readonly kinds: Readonly<Record<JobKind, number>>;
  /** Nothing but poison ends a worker. */
  readonly onlyPoison: boolean;
}

/** @param memory Whether this run may limit the memory of its server. */
export function chooseProfile(
  random: Random,
  hasNetwork: boolean,
  memory: boolean,
): Profile {
  const onlyPoison = random.chance(0.15);
  const some = (weight: number, probability = 0.6): number =>
    random.chance(probability) ? weight * (0.5 + random.next()) : 0;
  const network = (weight: number): number => {
    const chosen = some(weight);
    return hasNetwork && !onlyPoison ? chosen : 0;
  };
  const unlessPoison = (weight: number): number => {
    const chosen = some(weight);
    return onlyPoison ? 0 : chosen;
  };
  const kinds = {
    plain: 10,
    flaky: some(2),
    failing: some(1),
    poison: onlyPoison ? 1.5 : some(0.7),
    garbage: some(0.4),
  };
  return {
    queues: random.whole(1, 3),
    workers: random.whole(1, 4),
    fast: random.chance(0.25) ? 0.4 : 0,
    slow: random.chance(0.15) ? 0.15 : 0,
    jobs: random.whole(10, 45),
    steps: random.whole(300, 700),
    duplicates: hasNetwork && random.chance(0.6) ? 0.05 * random.next() : 0,
    kinds,
    onlyPoison,
    faults: {
      crash: unlessPoison(0.8),
      break: network(1.5),
      refuse: network(0.5),
      stray: hasNetwork ? 1.5 : 0,
      suspend: unlessPoison(0.5),
      orphan: hasNetwork ? some(0.8) : 0,
      jump: unlessPoison(0.3),
      wallJump: unlessPoison(0.3),
      memory: memory ? 0.8 : 0,
      stop: some(0.3),
      spawn: 0.4,
      reaper: some(0.8),
      accuse: some(0.4),
    },
  };
}
