import type { Broker, FencedError } from "../broker/broker.ts";
import { openBroker } from "../broker/open.ts";
import { brokerLog, jobLog, lifecycleLog } from "../log.ts";
import type { Order, Report, WorkerConfig } from "../master/orders.ts";
import { Notice } from "../time/notice.ts";
import { sleep } from "../time/sleep.ts";
import { BurstReport } from "./burst_report.ts";
import { Departure } from "./departure.ts";
import { Health } from "./health.ts";
import { Heartbeat } from "./heartbeat.ts";
import { InFlightJobs } from "./in_flight.ts";
import { Intake } from "./intake.ts";
import { JobCalls } from "./job_calls.ts";
import { JobCounts } from "./job_counts.ts";
import { JobLog } from "./job_log.ts";
import { JobThread } from "./job_thread.ts";
import type { LoadingThread } from "./loading_thread.ts";
import { JobUpdates } from "./job_updates.ts";
import { Lease } from "./lease.ts";
import { watchMemory } from "./memory.ts";
import { reportNumbers } from "./numbers_report.ts";
import { Reaper } from "./reaper.ts";
import { recover } from "./recover.ts";
import { SuspectPolicy } from "./suspects.ts";
import { traced } from "./trace.ts";

/** A store that does not answer holds up the end of a worker so long. */
const WITHDRAW_WITHIN_MS = 200;

/**
 * One worker process: reserves jobs, hands them to its job thread, and settles
 * what comes back. This thread never runs job code.
 */
export class QueueWorker {
  readonly #config: WorkerConfig;
  readonly #report: (report: Report) => void;
  readonly #broker: Broker;
  readonly #lease = new Lease();
  readonly #changed = new Notice();
  readonly #suspects = new SuspectPolicy();
  readonly #departure: Departure;
  readonly #log: JobLog;
  readonly #burst: BurstReport;
  /** None: nobody wants to know. */
  readonly #counts: JobCounts | undefined;
  #ended = 0;
  #jobs!: InFlightJobs;

  private constructor(
    config: WorkerConfig,
    broker: Broker,
    report: (report: Report) => void,
  ) {
    this.#config = config;
    this.#broker = broker;
    this.#report = report;
    this.#departure = new Departure(this.#changed, report);
    this.#log = new JobLog(config.verbosity);
    this.#burst = new BurstReport(broker, config.queues, report);
    this.#counts = config.numbers ? new JobCounts() : undefined;
  }

  /**
   * Opens what a worker needs; recovers its predecessor's jobs first.
   *
   * @throws {BrokerError} If the broker can't be reached.
   */
  static async start(
    config: WorkerConfig,
    thread: LoadingThread,
    report: (report: Report) => void,
  ): Promise<QueueWorker> {
    let broker = await openBroker(config.dsn);
    if (config.verbosity >= 3) broker = traced(broker);
    await broker.register(config.queues);
    if (config.predecessor !== undefined && !config.fast) {
      await recover(broker, config.queues, config.predecessor);
    }
    const worker = new QueueWorker(config, broker, report);
    await worker.#open(thread);
    return worker;
  }

  async #open(loading: LoadingThread): Promise<void> {
    const calls = new JobCalls(
      this.#broker,
      (batch, index) => this.#jobs.unlock(batch, index),
      (message) => thread.post(message),
    );
    const updates = new JobUpdates({
      updates: this.#broker.updates,
      worker: this.#config.fast ? undefined : this.#config.name,
      log: this.#log,
      ending: this.#departure.ending,
      queueOf: (batch) => this.#jobs.queueOf(batch),
      post: (message) => thread.post(message),
      ended: (batch, jobs, ran) => {
        this.#jobs.ended(batch, jobs, ran);
        this.#wear(jobs.length);
      },
    });
    const thread = await JobThread.start(loading, this.#lease, {
      ended: (batch, jobs, ran) => {
        const queue = this.#jobs.queueOf(batch);
        if (queue !== undefined) this.#counts?.ran(queue, ran);
        updates.ended(batch, jobs, ran);
      },
      report: (message) => updates.add(message),
      call: (message) => void calls.serve(message),
      stale: (module) => void this.#departure.retireStale(this.#jobs, module),
      warning: (text) => jobLog.warn("{text}", { text }),
      died: (reason) =>
        void this.#departure.die(this.#jobs, `its job thread died: ${reason}`),
    });
    this.#jobs = new InFlightJobs({
      config: this.#config,
      broker: this.#broker,
      thread,
      lease: this.#lease,
      log: this.#log,
      changed: this.#changed,
      stopping: this.#departure.stopping,
      ending: this.#departure.ending,
      ended: (queue, how) => {
        if (how === "failed") this.#report({ report: "failed" });
        this.#counts?.ended(queue, how);
      },
      lingers: ({ cancelled }) =>
        this.#retire(
          `a job ignores that ${cancelled ? "it" : "its ttl"} is ${
            cancelled ? "cancelled" : "over"
          }`,
        ),
      silent: () =>
        void this.#departure.die(this.#jobs, "a job blocks its thread"),
      givenUp: (error) => this.#givenUp(error),
      looked: (nowMs) => this.#askToDrain(nowMs),
    });
  }

  /** Serves until an order, or a reason of its own, ends it. */
  async serve(orders: AsyncIterable<Order>): Promise<void> {
    const { stopping, ending } = this.#departure;
    const ended = new Promise((resolve) =>
      ending.addEventListener("abort", resolve, { once: true })
    );
    using _memory = this.#watchMemory();
    this.#report({ report: "ready" });
    void this.#obey(orders);
    const heartbeat = this.#heartbeat();
    void heartbeat.run(ending);
    using _numbers = this.#reportNumbers(heartbeat);
    this.#intake().run().catch((error) =>
      this.#departure.die(this.#jobs, `cannot reserve: ${error}`)
    );
    if (this.#config.first) void this.#warn(stopping);
    await ended;
    this.#burst.end();
    await this.#withdraw();
    this.#log[Symbol.dispose]();
    lifecycleLog.info("Worker {pid} is quitting.", { pid: Deno.pid });
  }

  #wear(jobs: number): void {
    const { maxJobs = Infinity } = this.#config;
    const before = Math.floor(this.#ended / maxJobs);
    this.#ended += jobs;
    // Again after as many: a successor may have failed to start.
    const worn = Math.floor(this.#ended / maxJobs) > before;
    if (worn) this.#report({ report: "worn" });
  }

  #watchMemory(): Disposable | null {
    const { maxMemoryMb } = this.#config;
    if (maxMemoryMb === undefined) return null;
    return watchMemory(maxMemoryMb, () =>
      void this.#departure.die(
        this.#jobs,
        `its jobs use more than the ${maxMemoryMb} MB of --max-memory`,
      ));
  }

  #reportNumbers(heartbeat: Heartbeat): Disposable | null {
    if (this.#counts === undefined) return null;
    return reportNumbers({
      counts: this.#counts,
      lease: this.#lease,
      heartbeat,
      count: () => this.#jobs.count(),
      report: this.#report,
    });
  }

  #intake(): Intake {
    const jobs = this.#jobs;
    return new Intake({
      broker: this.#broker,
      worker: this.#config.name,
      queues: this.#config.queues,
      weights: this.#config.weights,
      holdings: jobs.holdings,
      prefetch: jobs.prefetch,
      suspects: this.#suspects,
      lease: this.#lease,
      changed: this.#changed,
      inFlight: () => jobs.count(),
      runsAlone: () => jobs.runsAlone,
      adopt: (queue, batch) => jobs.adopt(queue, batch),
      accept: (flight) => {
        this.#burst.busy();
        return jobs.accept(flight);
      },
      refuse: (flight) => jobs.refuse(flight),
      idle: () => this.#idle(),
      fenced: (error) => this.#fenced(error),
      useless: (error) => {
        this.#report({ report: "fatal", line: error.message, exitCode: 1 });
        void this.#stop();
      },
    }, this.#departure.stopping);
  }

  #heartbeat(): Heartbeat {
    const suspects = (queue: string, waiting: number) =>
      this.#suspectsWait(queue, waiting);
    const { queues, first, name, fast } = this.#config;
    const jobs = this.#jobs;
    const health = new Health({
      queues,
      fast,
      runTimes: jobs.runTimes,
      count: () => ({ ...jobs.count(), done: jobs.done }),
    });
    return new Heartbeat({
      broker: this.#broker,
      worker: name,
      holdings: jobs.holdings,
      lease: this.#lease,
      reaper: new Reaper(this.#broker, queues, first, { suspects }),
      health: () => health.report(),
      cancelled: (queue, cancels) => this.#jobs.cancelled(queue, cancels),
      fenced: (error) => this.#fenced(error),
      outdated: (error) => this.#retire(error.message),
    });
  }

  async #obey(orders: AsyncIterable<Order>): Promise<void> {
    for await (const order of orders) {
      switch (order.order) {
        case "stop":
          void this.#stop();
          break;
        case "retire":
          this.#retire(`it has run ${this.#ended} jobs`);
          break;
        case "quit":
          void this.#departure.stop(this.#jobs, 0);
          break;
        case "drain":
          this.#suspects.grant();
          this.#changed.give();
          break;
        case "recover":
          void this.#recover(order.worker);
      }
    }
    // The end of stdin: the master is gone.
    void this.#stop();
  }

  async #recover(dead: string): Promise<void> {
    const { queues, fast } = this.#config;
    if (fast) return;
    const found = await recover(this.#broker, queues, dead, {
      ending: this.#departure.ending,
    });
    for (const [queue, jobs] of found) {
      if (jobs > 0) this.#suspectsWait(queue, jobs);
    }
  }

  #suspectsWait(queue: string, waiting: number): void {
    this.#suspects.heard(queue, waiting, performance.now());
    this.#changed.give();
  }

  #stop(): Promise<void> {
    return this.#departure.stop(this.#jobs, this.#config.shutdownTimeoutMs);
  }

  #retire(reason: string): void {
    void this.#departure.retire(this.#jobs, reason);
  }

  #fenced(error: FencedError): void {
    void this.#departure.fenced(this.#jobs, error);
  }

  #givenUp(error: unknown): void {
    if (this.#departure.ending.aborted) return;
    if ((error as Error).name === "FencedError") {
      this.#fenced(error as FencedError);
    } else brokerLog.error("Cannot settle: {error}", { error });
  }

  /** Nobody shall think that this worker lives on. */
  async #withdraw(): Promise<void> {
    const withdrawn = this.#broker.report(this.#config.name, {}).catch(
      () => {},
    );
    await Promise.race([withdrawn, sleep(WITHDRAW_WITHIN_MS)]);
  }

  #idle(): void {
    if (!this.#config.burst) this.#report({ report: "idle", waiting: 0 });
    else {
      this.#burst.idle(() =>
        this.#jobs.isIdle && !this.#departure.stopping.aborted
      );
    }
  }

  #askToDrain(nowMs: number): void {
    if (this.#suspects.wantsToDrain(nowMs)) this.#report({ report: "suspect" });
  }

  /** Says what an operator should know, once for all workers of a master. */
  async #warn(stopping: AbortSignal): Promise<void> {
    try {
      for (const text of await this.#broker.warnings()) {
        brokerLog.warn("{text}", { text });
      }
      for (const queue of this.#config.queues) {
        const { paused } = await this.#broker.control.state(queue);
        if (paused) brokerLog.warn("Queue {queue} is paused", { queue });
      }
      const others = (await this.#broker.queues())
        .filter((queue) => !this.#config.queues.includes(queue));
      const counts = await this.#broker.counts(others);
      others.forEach((queue, index) => {
        if (counts[index].ready === 0 || stopping.aborted) return;
        brokerLog.warn(
          "Queue {queue} has jobs that wait ({ready}), and this command does not serve it",
          { queue, ready: counts[index].ready },
        );
      });
    } catch (error) {
      brokerLog.debug("warnings: {error}", { error });
    }
  }
}
