/**
 * `mqk:calculator`: jobs that are part of the program, so that all can be
 * tried without a file.
 *
 * @module
 */
import { currentJob } from "../job_context.ts";
import { sleep } from "../time/sleep.ts";

/** Longer than a ttl of one second. */
const FIRST_ATTEMPT_MS = 2_000;

/** Adds two numbers. */
export function sum(a: number, b: number): number {
  return a + b;
}

/**
 * Adds two numbers. The first attempt takes 2 s, so it outlives a ttl of one
 * second; the second one is quick.
 */
export async function sumTimeout(a: number, b: number): Promise<number> {
  const { attempt, signal } = currentJob();
  if (attempt === 1) {
    await sleep(FIRST_ATTEMPT_MS, signal);
    signal.throwIfAborted();
  }
  return sum(a, b);
}
