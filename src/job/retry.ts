/**
 * When a failed attempt runs again: `"exponential"` waits 2ⁿ seconds after
 * failed attempt n, times a random 0.75 to 1.25, at least 1 s, at most 1 h;
 * `{ fixed }` waits so many seconds.
 */
export type Backoff = "exponential" | { readonly fixed: number };

const LONGEST_MS = 3_600_000;

/**
 * How many milliseconds after failed attempt `attempt` (1 is the first) the
 * next one runs. The random part keeps jobs that failed together from coming
 * back together (Brooker, "Exponential Backoff And Jitter", 2015).
 */
export function retryDelayMs(
  backoff: Backoff,
  attempt: number,
  random: () => number = Math.random,
): number {
  if (backoff !== "exponential") return backoff.fixed * 1000;
  const planned = 1000 * 2 ** Math.min(attempt, 30) * (0.75 + random() / 2);
  return Math.round(Math.min(LONGEST_MS, Math.max(1000, planned)));
}
