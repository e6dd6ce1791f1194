import type { Inspector, QueueLook } from "../broker/inspector.ts";
import { ageSeconds } from "../job/age.ts";
import { Histogram } from "../time/histogram.ts";
import { readHealth, type WorkerHealth } from "../worker/health.ts";
import { printDuration } from "./duration.ts";
import type { Column } from "./table.ts";

/** How it stands with one queue. */
export interface QueueState {
  readonly queue: string;
  /** Whether a worker serves it. */
  readonly state: "active" | "paused" | "unserved";
  /** Suspect and crashed jobs included: they wait as well. */
  readonly ready: number;
  readonly held: number;
  readonly scheduled: number;
  readonly retry: number;
  readonly failed: number;
  /** How long ago the job was sent that runs next, if its message says so. */
  readonly oldestSeconds?: number;
  /** Not known at the first look. */
  readonly inPerSecond?: number;
  readonly outPerSecond?: number;
  /** How long jobs run, of what workers measured in the last minutes. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

/** What one look saw. */
export interface Overview {
  readonly queues: readonly QueueState[];
  /** Those that serve one of the queues. */
  readonly workers: readonly WorkerHealth[];
}

interface Totals {
  readonly atMs: number;
  readonly left: number;
  readonly out: number;
}

/** Looks at queues again and again; what changed in between makes the rates. */
export class QueueLooks {
  readonly #inspector: Inspector;
  readonly #names: readonly string[] | undefined;
  readonly #last = new Map<string, Totals>();

  /** @param names Queues to look at; left out: all. */
  constructor(inspector: Inspector, names?: readonly string[]) {
    this.#inspector = inspector;
    this.#names = names;
  }

  /** One look. */
  async look(): Promise<Overview> {
    const names = this.#names ?? await this.#inspector.queues();
    const [looks, records] = await Promise.all([
      this.#inspector.look(names),
      this.#inspector.workers(),
    ]);
    const workers = records.map(readHealth).filter(({ queues }) =>
      queues.some((queue) => names.includes(queue))
    );
    const atMs = performance.now();
    return {
      queues: looks.map((look) => this.#stateOf(look, workers, atMs)),
      workers,
    };
  }

  #stateOf(
    look: QueueLook,
    workers: readonly WorkerHealth[],
    atMs: number,
  ): QueueState {
    const { queue, counts, next } = look;
    const runTimes = new Histogram();
    for (const worker of workers) {
      const own = worker.runTimes.get(queue);
      if (own !== undefined) runTimes.merge(own);
    }
    return {
      queue,
      state: look.paused
        ? "paused"
        : workers.some(({ queues }) => queues.includes(queue))
        ? "active"
        : "unserved",
      ready: counts.ready + counts.suspect + counts.crashed,
      held: counts.held,
      scheduled: counts.scheduled,
      retry: counts.retry,
      failed: counts.failed,
      oldestSeconds: next === undefined ? undefined : ageSeconds(next),
      ...this.#ratesOf(look, atMs),
      p50Ms: rounded(runTimes.quantile(0.5)),
      p99Ms: rounded(runTimes.quantile(0.99)),
    };
  }

  #ratesOf(
    { queue, counts, done, failed }: QueueLook,
    atMs: number,
  ): Pick<QueueState, "inPerSecond" | "outPerSecond"> {
    const { ready, suspect, crashed, held, scheduled, retry } = counts;
    const left = ready + suspect + crashed + held + scheduled + retry;
    const now: Totals = { atMs, left, out: done + failed };
    const last = this.#last.get(queue);
    this.#last.set(queue, now);
    if (last === undefined) return {};
    const seconds = (now.atMs - last.atMs) / 1000;
    // Of an emptied store, or of jobs that were deleted, nothing came in.
    const out = Math.max(0, now.out - last.out);
    const came = Math.max(0, now.left - last.left + out);
    return {
      inPerSecond: Number((came / seconds).toFixed(1)),
      outPerSecond: Number((out / seconds).toFixed(1)),
    };
  }
}

/** How queues are shown. */
export const QUEUE_COLUMNS: readonly Column<QueueState>[] = [
  { title: "queue", of: ({ queue }) => queue },
  { title: "state", of: ({ state }) => state },
  { title: "ready", right: true, of: ({ ready }) => ready },
  { title: "held", right: true, of: ({ held }) => held },
  { title: "scheduled", right: true, of: ({ scheduled }) => scheduled },
  { title: "retry", right: true, of: ({ retry }) => retry },
  { title: "failed", right: true, of: ({ failed }) => failed },
  {
    title: "oldest",
    right: true,
    of: ({ oldestSeconds }) =>
      oldestSeconds === undefined
        ? undefined
        : printDuration(oldestSeconds * 1000),
  },
  {
    title: "in/s",
    right: true,
    of: ({ inPerSecond }) => printRate(inPerSecond),
  },
  {
    title: "out/s",
    right: true,
    of: ({ outPerSecond }) => printRate(outPerSecond),
  },
  { title: "p50", right: true, of: ({ p50Ms }) => printDuration(p50Ms) },
  { title: "p99", right: true, of: ({ p99Ms }) => printDuration(p99Ms) },
];

/** Jobs a second, with a digit behind the point if they are few. */
export function printRate(rate: number | undefined): string | undefined {
  if (rate === undefined) return undefined;
  return rate < 10 ? String(Number(rate.toFixed(1))) : rate.toFixed(0);
}

function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.toPrecision(3));
}
