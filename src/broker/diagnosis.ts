/**
 * Looking whether a store is fit for jobs: what `mqk doctor` prints.
 *
 * @module
 */
import type { Broker } from "./broker.ts";

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

/** A queue that nobody uses: lower-case letters and digits. */
export function rehearsalQueue(): string {
  return `doctor-${crypto.randomUUID().slice(0, 8)}`;
}

/** Sends a job, reserves, settles and reads it, as clients and workers do. */
export async function rehearse(broker: Broker, queue: string): Promise<void> {
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
  await Promise.race([
    heard,
    new Promise((_, reject) => {
      const timer = setTimeout(
        () => reject(new Error("nobody was told of the result within 5 s")),
        5000,
      );
      void heard.then(() => clearTimeout(timer));
    }),
  ]);
}
