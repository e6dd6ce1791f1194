import type { WorkerObserver, WorkerState } from "../master/observer.ts";
import type { JobEnd, Report, WorkerNumbers } from "../master/orders.ts";
import { RUN_TIME_BOUNDS_MS } from "../time/run_time_bounds.ts";
import { type Metric, QUEUE_LABEL, type Sample } from "./exposition.ts";
import type { Health } from "./server.ts";

/** A worker reports once a second; so much later something is wrong with it. */
const SILENT_MS = 5000;
/** A broker that answered no heartbeat for so long is away. */
const BROKER_SILENT_MS = 10_000;

const ENDS: readonly JobEnd[] = [
  "done",
  "failed",
  "retried",
  "cancelled",
  "released",
];

/** What a worker said last. */
interface Heard {
  readonly atMs: number;
  readonly numbers?: WorkerNumbers;
}

interface QueueTotals {
  readonly ended: Map<JobEnd, number>;
  readonly ran: number[];
  ranMs: number;
}

/** What a master knows of its workers and their jobs, as metrics. */
export class WorkerMetrics implements WorkerObserver {
  readonly #queues = new Map<string, QueueTotals>();
  readonly #heard = new Map<string, Heard>();
  readonly #now: () => number;
  #started = 0;
  #died = 0;

  /**
   * @param queues Those that the workers serve.
   * @param now Milliseconds of a clock that never jumps.
   */
  constructor(
    queues: readonly string[],
    now: () => number = () => performance.now(),
  ) {
    this.#now = now;
    // What has not happened yet is 0: the first time is an increase, then.
    for (const queue of queues) this.#totals(queue);
  }

  started(): void {
    this.#started++;
  }

  ended(name: string, expected: boolean): void {
    this.#heard.delete(name);
    if (!expected) this.#died++;
  }

  reported(name: string, report: Report): void {
    const atMs = this.#now();
    if (report.report === "ready") this.#heard.set(name, { atMs });
    if (report.report !== "numbers") return;
    this.#heard.set(name, { atMs, numbers: report });
    for (const [queue, counts] of Object.entries(report.queues)) {
      const totals = this.#totals(queue);
      for (const [end, jobs] of Object.entries(counts.ended)) {
        const before = totals.ended.get(end as JobEnd) ?? 0;
        totals.ended.set(end as JobEnd, before + jobs);
      }
      counts.ran.forEach((jobs, index) => totals.ran[index] += jobs);
      totals.ranMs += counts.ranMs;
    }
  }

  /** The metrics now. */
  metrics(workers: readonly WorkerState[]): Metric[] {
    const heard = [...this.#heard.values()].flatMap(({ numbers }) =>
      numbers ?? []
    );
    const ready = workers.filter(({ ready }) => ready).length;
    return [
      gauge("mqk_workers", "Worker processes.", [
        { labels: { state: "ready" }, value: ready },
        { labels: { state: "starting" }, value: workers.length - ready },
      ]),
      counter(
        "mqk_worker_starts_total",
        "Worker processes that were started.",
        [
          { labels: {}, value: this.#started },
        ],
      ),
      counter("mqk_worker_deaths_total", "Workers that ended unexpectedly.", [
        { labels: {}, value: this.#died },
      ]),
      gauge("mqk_jobs_in_process", "Jobs that workers of this process have.", [
        {
          labels: { state: "waiting" },
          value: sum(heard, ({ waiting }) => waiting),
        },
        {
          labels: { state: "running" },
          value: sum(heard, ({ running }) => running),
        },
      ]),
      gauge("mqk_lease_age_seconds", "Age of the oldest lease of a worker.", [{
        labels: {},
        value: Math.max(0, ...heard.map(({ leaseAgeMs }) => leaseAgeMs)) / 1000,
      }]),
      counter(
        "mqk_jobs_ended_total",
        "Jobs that ended in workers of this process.",
        this.#eachQueue((queue, { ended }) =>
          ENDS.map((outcome) => ({
            labels: { [QUEUE_LABEL]: queue, outcome },
            value: ended.get(outcome) ?? 0,
          }))
        ),
      ),
      {
        name: PROCESS_DURATION,
        help: "How long attempts ran.",
        type: "histogram",
        values: this.#eachQueue(histogramSamples),
      },
    ];
  }

  /** Why these workers can't all work now. */
  health(workers: readonly WorkerState[]): Health {
    const staying = workers.filter(({ leaving }) => !leaving);
    if (staying.length === 0) return ["it is stopping"];
    const expected = staying.filter(({ succeeds }) => !succeeds);
    const missing = expected.filter(({ ready }) => !ready).length;
    const notReady = missing === 0
      ? []
      : [`${missing} of ${expected.length} workers are not ready`];
    return [
      ...notReady,
      ...expected.flatMap(({ worker, ready }) =>
        worker !== undefined && ready ? this.#complaints(worker) : []
      ),
    ];
  }

  #complaints(
    { name, pid }: NonNullable<WorkerState["worker"]>,
  ): string[] {
    const { atMs, numbers } = this.#heard.get(name)!;
    const silentMs = this.#now() - atMs;
    if (silentMs > SILENT_MS) {
      return [`worker ${pid} has been silent for ${seconds(silentMs)} s`];
    }
    if (numbers === undefined) return [];
    const { inDoubt, leaseAgeMs, brokerSilentMs } = numbers;
    if (inDoubt) {
      return [
        `worker ${pid} has not renewed its lease for ${seconds(leaseAgeMs)} s`,
      ];
    }
    if (brokerSilentMs <= BROKER_SILENT_MS) return [];
    return [
      `the broker has not answered worker ${pid} for ` +
      `${seconds(brokerSilentMs)} s`,
    ];
  }

  #totals(queue: string): QueueTotals {
    let totals = this.#queues.get(queue);
    if (totals === undefined) {
      const ran = new Array(RUN_TIME_BOUNDS_MS.length + 1).fill(0);
      this.#queues.set(queue, totals = { ended: new Map(), ran, ranMs: 0 });
    }
    return totals;
  }

  #eachQueue(samples: (queue: string, totals: QueueTotals) => Sample[]) {
    return [...this.#queues].flatMap(([queue, totals]) =>
      samples(queue, totals)
    );
  }
}

const PROCESS_DURATION = "messaging_process_duration_seconds";

function histogramSamples(
  queue: string,
  { ran, ranMs }: QueueTotals,
): Sample[] {
  const labels = {
    messaging_system: "mqk",
    messaging_operation_name: "process",
    [QUEUE_LABEL]: queue,
  };
  let count = 0;
  const buckets = ran.map((jobs, index) => ({
    metricName: `${PROCESS_DURATION}_bucket`,
    labels: {
      ...labels,
      le: index < RUN_TIME_BOUNDS_MS.length
        ? RUN_TIME_BOUNDS_MS[index] / 1000
        : "+Inf",
    },
    value: count += jobs,
  }));
  return [
    ...buckets,
    { metricName: `${PROCESS_DURATION}_sum`, labels, value: ranMs / 1000 },
    { metricName: `${PROCESS_DURATION}_count`, labels, value: count },
  ];
}

function counter(name: string, help: string, values: Sample[]): Metric {
  return { name, help, type: "counter", values };
}

function gauge(name: string, help: string, values: Sample[]): Metric {
  return { name, help, type: "gauge", values };
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(0);
}
