import type { Engine, SeedOptions } from "./engine.ts";
import type { Failure, RunReport } from "./run_seed.ts";

/** A run that failed. */
export interface FailedRun extends RunReport {
  readonly failure: Failure;
}

/** What many runs came to. */
export interface Totals {
  seeds: number;
  jobs: number;
  crashes: number;
  /** Jobs that fast workers lost, as fast mode allows. */
  lostFast: number;
  failed?: FailedRun;
}

/** Runs seeds from the first on, until one fails or all have run. */
export async function runMany(
  engine: Engine,
  { first, count, ...options }:
    & { readonly first: number; readonly count: number }
    & Omit<SeedOptions, "seed">,
  ran: (totals: Totals) => void = () => {},
): Promise<Totals> {
  const totals: Totals = { seeds: 0, jobs: 0, crashes: 0, lostFast: 0 };
  let next = first;
  const lane = async () => {
    while (next < first + count && totals.failed === undefined) {
      const report = await engine.run({ ...options, seed: next++ });
      totals.seeds++;
      totals.jobs += report.jobs;
      totals.crashes += report.crashes;
      totals.lostFast += report.lostFast;
      const { failure } = report;
      if (failure !== undefined) totals.failed ??= { ...report, failure };
      ran(totals);
    }
  };
  await Promise.all(Array.from({ length: engine.lanes }, lane));
  return totals;
}
