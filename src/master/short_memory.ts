import { lifecycleLog } from "../log.ts";

/** A worker needs about this much memory, in bytes. */
const WORKER_BYTES = 40e6;

/** Warns if so many workers may need more memory than is free. */
export function warnOfShortMemory(workers: number): void {
  const { available } = Deno.systemMemoryInfo();
  if (available > 0 && workers * WORKER_BYTES > available) {
    lifecycleLog.warning(
      "{workers} workers need about {needed} MB; {available} MB are free.",
      {
        workers,
        needed: Math.round(workers * WORKER_BYTES / 1e6),
        available: Math.round(available / 1e6),
      },
    );
  }
}
