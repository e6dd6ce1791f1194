import type { Engine, SeedOptions } from "./engine.ts";
import type { Failure, RunReport } from "./run_seed.ts";

/**
 * A prefix of a failing run after which it still fails, if the faults end
 * there, and that does not fail if it is one step shorter.
 */
export async function shorten(
  engine: Engine,
  options: SeedOptions,
  failure: Failure,
): Promise<Failure> {
  const fails = async (steps: number): Promise<Failure | undefined> => {
    const report: RunReport = await engine.run({
      ...options,
      steps,
      checkEvery: 1,
    });
    return report.failure;
  };
  // Longer prefixes do not always fail, so short ones are tried first.
  let shortest = await fails(failure.steps) ?? failure;
  let passes = 0;
  for (let steps = 1; steps < shortest.steps; steps *= 2) {
    const found = await fails(steps);
    if (found === undefined) passes = steps;
    else shortest = found;
  }
  while (shortest.steps - passes > 1) {
    const half = Math.floor((passes + shortest.steps) / 2);
    const found = await fails(half);
    if (found === undefined) passes = half;
    else shortest = found;
  }
  return shortest;
}
