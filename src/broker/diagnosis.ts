/**
 * Looking whether a store is fit for jobs: what `mqk doctor` prints.
 *
 * @module
 */
import type { Broker } from "./broker.ts";
import { deadline } from "../time/deadline.ts";

const TOLD_WITHIN_MS = 5000;

/** What was found at one place. */
export interface Finding {
  readonly check: string;
  /**
   * - `ok`: as it should be;
   * - `warning`: works, and could be better;
   * - `problem`: jobs can't run, or can be lost;
   * - `unknown`: we are not allowed to look.
   */
  readonly state: "ok" | "warning" | "problem" | "unknown";
  /** What is there. */
  readonly found: string;
  /** What to change, and why. */
  readonly advice?: string;
}

/**
 * Sends a job, reserves, settles and reads it, as clients and workers do, on a
 * queue that nobody uses.
 *
 * @param forget Takes away what that queue left.
 */
export async function rehearse(
  open: () => Promise<Broker>,
  forget: (queue: string) => Promise<void>,
): Promise<Omit<Finding, "check">> {
  const queue = `doctor-${crypto.randomUUID().slice(0, 8)}`;
  const startedMs = performance.now();
  try {
    await using broker = await open();
    await runOneJob(broker, queue);
  } catch (error) {
    return {
      ...{ state: "problem", found: (error as Error).message },
      advice: "a job could not be sent, settled and read: see " +
        "docs/operations.md for what a store needs",
    };
  } finally {
    await forget(queue).catch(() => {});
  }
  const tookMs = Math.round(performance.now() - startedMs);
  return {
    state: "ok",
    found: `a job was sent, settled and read in ${tookMs} ms`,
  };
}

async function runOneJob(broker: Broker, queue: string): Promise<void> {
  const worker = "doctor";
  const id = "doctor.0";
  let told = () => {};
  const heard = new Promise<void>((resolve) => told = resolve);
  await using _watch = await broker.watchResults(queue, "doctor", () => told());
  await broker.enqueue([{ id, queue, message: "{}" }]);
  const { tokens } = await broker.reserve(worker, queue, {
    ...{ limit: 1, bytes: 1024, known: 0, idle: true },
  });
  if (tokens.length !== 1) {
    throw new Error("the job that was sent is not there");
  }
  await broker.renew(worker, [queue]);
  const outcome = { id, outcome: "1" };
  await broker.settle(worker, queue, [
    { kind: "done", token: tokens[0], ...outcome },
  ]);
  await broker.reap(queue);
  const [result] = await broker.results(queue, [id]);
  if (result !== "1") {
    throw new Error("the result that was stored is not there");
  }
  await deadline(heard, TOLD_WITHIN_MS, "hearing of the result");
}
