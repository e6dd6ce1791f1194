/**
 * How long to wait before try `n` (0 is the first wait): doubles from `minMs`
 * to `maxMs`, and takes a random half to whole of it, so that many processes
 * that lost the same server do not return together.
 */
export function backoffMs(
  n: number,
  { minMs, maxMs, random = Math.random }: {
    minMs: number;
    maxMs: number;
    random?: () => number;
  },
): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(n, 30));
  return full / 2 + random() * full / 2;
}
