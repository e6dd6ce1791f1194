import type { JobEnd, QueueCounts } from "../master/orders.ts";
import type { Ended, RunTimeSample } from "../thread/protocol.ts";
import { RUN_TIME_BOUNDS_MS } from "../time/run_time_bounds.ts";

/** What each way to end is counted as. */
const COUNTED: Readonly<Record<Ended["kind"], JobEnd>> = {
  done: "done",
  failed: "failed",
  retry: "retried",
  cancelled: "cancelled",
  released: "released",
  postponed: "released",
};

interface Counts {
  readonly ended: Partial<Record<JobEnd, number>>;
  readonly ran: number[];
  ranMs: number;
}

/** How the jobs of each queue ended and how long they ran, since last taken. */
export class JobCounts {
  #queues = new Map<string, Counts>();

  /** A job of a queue has ended. */
  ended(queue: string, how: Ended["kind"]): void {
    const { ended } = this.#of(queue);
    const counted = COUNTED[how];
    ended[counted] = (ended[counted] ?? 0) + 1;
  }

  /** So long jobs of a queue ran. */
  ran(queue: string, { milliseconds, each }: RunTimeSample): void {
    if (milliseconds.length === 0) return;
    const counts = this.#of(queue);
    for (const one of milliseconds) {
      const found = RUN_TIME_BOUNDS_MS.findIndex((bound) => one <= bound);
      const index = found === -1 ? RUN_TIME_BOUNDS_MS.length : found;
      counts.ran[index] += each;
      counts.ranMs += one * each;
    }
  }

  /** What was counted; from now on it is counted anew. */
  take(): Record<string, QueueCounts> {
    const taken = Object.fromEntries(this.#queues);
    this.#queues = new Map();
    return taken;
  }

  #of(queue: string): Counts {
    let counts = this.#queues.get(queue);
    if (counts === undefined) {
      const ran = new Array(RUN_TIME_BOUNDS_MS.length + 1).fill(0);
      this.#queues.set(queue, counts = { ended: {}, ran, ranMs: 0 });
    }
    return counts;
  }
}
