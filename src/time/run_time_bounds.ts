/**
 * The upper bounds of the classes into which run times are counted, in
 * milliseconds; longer ones are in a class above the last.
 */
export const RUN_TIME_BOUNDS_MS: readonly number[] = [
  ...[0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500],
  ...[1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000],
  1_000_000,
];
