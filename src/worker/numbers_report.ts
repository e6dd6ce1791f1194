import type { Report } from "../master/orders.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { JobCounts } from "./job_counts.ts";
import type { Lease } from "./lease.ts";

const EVERY_MS = 1000;

/** What the numbers of a worker are made of. */
export interface NumbersParts {
  readonly counts: JobCounts;
  readonly lease: Lease;
  readonly heartbeat: Heartbeat;
  /** Jobs in this process. */
  count(): { waiting: number; started: number };
  report(report: Report): void;
}

/** Tells the master once a second, and once more when it is disposed. */
export function reportNumbers(parts: NumbersParts): Disposable {
  const { counts, lease, heartbeat } = parts;
  const report = () => {
    const { waiting, started } = parts.count();
    parts.report({
      report: "numbers",
      waiting,
      running: started,
      leaseAgeMs: Math.round(lease.ageMs),
      inDoubt: lease.inDoubt,
      brokerSilentMs: Math.round(heartbeat.silentMs),
      queues: counts.take(),
    });
  };
  const timer = setInterval(report, EVERY_MS);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      report();
    },
  };
}
