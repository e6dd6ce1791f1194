import { drain } from "./drain.ts";
import { check } from "./invariants.ts";
import type { Ledger } from "./ledger.ts";
import type { Store } from "./store.ts";
import { type RunOptions, World } from "./world.ts";

/** How a run went. */
export interface RunReport {
  readonly seed: number;
  readonly jobs: number;
  readonly steps: number;
  /** Workers that ended other than by an order. */
  readonly crashes: number;
  /** Jobs that fast workers lost, as fast mode allows. */
  readonly lostFast: number;
  readonly failure?: Failure;
}

/** What went wrong in a run. */
export interface Failure {
  /** Steps before the faults ended. */
  readonly steps: number;
  readonly error: Error;
  readonly trace: readonly string[];
}

const CHECK_EVERY_STEPS = 25;

/** One run: steps and faults as the seed says, then the end without faults. */
export async function runSeed(
  options: RunOptions & { readonly checkEvery?: number },
  open: (ledger: Ledger, queues: number) => Store,
): Promise<RunReport> {
  const world = new World(options, open);
  const { checkEvery = CHECK_EVERY_STEPS } = options;
  const steps = Math.min(world.profile.steps, options.steps ?? Infinity);
  let failure: Failure | undefined;
  try {
    await world.settle();
    while (world.step < steps) {
      await world.next();
      if (world.step % checkEvery === 0) await check(world);
    }
    await drain(world);
  } catch (error) {
    failure = {
      steps: Math.min(world.step, steps),
      error: error as Error,
      trace: world.trace,
    };
  }
  if (world.memoryIsFull) await world.store.limitMemory(false);
  await world.store.clean();
  return {
    seed: options.seed,
    jobs: world.ledger.accounts.size,
    steps: world.step,
    crashes: world.names.length - world.profile.workers,
    lostFast: world.ledger.fast.lost,
    failure,
  };
}
