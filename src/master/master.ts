import { lifecycleLog } from "../log.ts";
import { backoffMs } from "../time/backoff.ts";
import { sleep } from "../time/sleep.ts";
import { Burst } from "./burst.ts";
import { DrainGrant } from "./drain_grant.ts";
import type { Report, WorkerConfig } from "./orders.ts";
import type { WorkerObserver, WorkerState } from "./observer.ts";
import { warnOfShortMemory } from "./short_memory.ts";
import { StartGate } from "./start_gate.ts";
import {
  type WorkerCommand,
  type WorkerExit,
  WorkerProcess,
} from "./worker_process.ts";
import { randomHex, workerName } from "./worker_name.ts";

/** What a master needs to know. */
export interface MasterOptions {
  /** How a worker is started. */
  readonly command: WorkerCommand;
  /** How many workers to keep alive. */
  readonly workers: number;
  /** Workers that start at a time, once the first one is ready. */
  readonly startTogether: number;
  /** What each worker is told; the master adds what tells them apart. */
  readonly config: Omit<
    WorkerConfig,
    "nonce" | "name" | "predecessor" | "first"
  >;
  /** Called with each line of a worker's stderr that is not a report. */
  readonly passOn: (line: string) => void;
  readonly observer?: WorkerObserver;
}

/** How a master ended. */
export interface MasterEnd {
  readonly exitCode: number;
  /** Why no worker can work: one line for the user. */
  readonly line?: string;
}

/** Keeps one worker alive, whichever process that is. */
interface Place {
  readonly first: boolean;
  /** Another one serves until this one is ready, and then leaves. */
  succeeds: boolean;
  /** Aborts when the place is given up. */
  readonly leaving: AbortController;
  /** Whether its first worker became ready. */
  readonly cameUp: PromiseWithResolvers<boolean>;
  worker?: WorkerProcess;
  /** The worker has served. */
  served?: boolean;
  /** The worker said that it ends on purpose. */
  replacing?: boolean;
  /** Another place is to take over. */
  succeeded?: boolean;
  killTimer?: ReturnType<typeof setTimeout>;
  done: Promise<void>;
}

/** What is left after the shutdown timeout, or `quit`, is killed so much later. */
const KILL_AFTER_STOP_MS = 3000;
const KILL_AFTER_QUIT_MS = 2000;
/** If no worker was ever ready after so many starts, none will be. */
const MAX_FIRST_STARTS = 3;
const START_AGAIN = { minMs: 500, maxMs: 30_000 };
/** A worker that dies sooner than this after it was ready did so quickly. */
const QUICK_DEATH_MS = 1000;
const QUICK_DEATHS_AT_ONCE = 3;

/** Keeps worker processes alive. It has no broker and runs no job. */
export class Master {
  readonly #options: MasterOptions;
  readonly #places = new Set<Place>();
  readonly #gate: StartGate;
  readonly #burst = new Burst();
  readonly #drain = new DrainGrant((name) =>
    this.#worker(name)?.order({ order: "drain" })
  );
  readonly #finished = Promise.withResolvers<void>();
  #someWasReady = false;
  #leaving = false;
  #replacing: Promise<void> | undefined;
  #replaceAgain = false;
  #end: MasterEnd = { exitCode: 0 };

  constructor(options: MasterOptions) {
    this.#options = options;
    this.#gate = new StartGate(options.startTogether);
  }

  /** Starts the workers; resolves when the last one has ended. */
  async run(): Promise<MasterEnd> {
    const { workers, config } = this.#options;
    warnOfShortMemory(workers);
    for (let i = 0; i < workers; i++) this.#addPlace(i === 0);
    await this.#finished.promise;
    await this.#replacing;
    return this.#end.exitCode === 0 && config.burst && this.#burst.failed
      ? { exitCode: 1 }
      : this.#end;
  }

  /** Numbers of the worker processes that live now. */
  get pids(): number[] {
    return [...this.#places].flatMap(({ worker }) => worker?.pid ?? []);
  }

  /** How it stands with each worker. */
  get workers(): WorkerState[] {
    return [...this.#places].map(({ worker, served, leaving, succeeds }) => ({
      worker,
      ready: worker !== undefined && served === true,
      leaving: leaving.signal.aborted,
      succeeds,
    }));
  }

  /** Lets what runs end, within the shutdown timeout. */
  stop(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    for (const place of this.#places) this.#leave(place);
  }

  /** Ends all workers now; what they run is handed back. */
  quit(): void {
    this.#leaving = true;
    for (const place of this.#places) {
      place.leaving.abort();
      place.worker?.order({ order: "quit" });
      this.#killIn(place, KILL_AFTER_QUIT_MS);
    }
  }

  /** Keeps one worker more alive. */
  addWorker(): void {
    if (!this.#leaving) this.#addPlace(false);
  }

  /** Keeps one worker fewer alive, but one at least. */
  removeWorker(): void {
    const last = [...this.#places].findLast((place) =>
      !place.first && !place.leaving.signal.aborted
    );
    if (last !== undefined) this.#leave(last);
  }

  /** Replaces the workers one by one, each when its successor is ready. */
  replaceWorkers(): void {
    if (this.#leaving) return;
    this.#replaceAgain = true;
    this.#replacing ??= this.#replaceAll().finally(() =>
      this.#replacing = undefined
    );
  }

  async #replaceAll(): Promise<void> {
    while (this.#replaceAgain && !this.#leaving) {
      this.#replaceAgain = false;
      for (const old of [...this.#places]) {
        if (this.#leaving) return;
        if (old.leaving.signal.aborted) continue;
        const fresh = this.#addPlace(old.first, true);
        if (!await fresh.cameUp.promise) {
          this.#leave(fresh);
          lifecycleLog.warning(
            "The workers are not replaced: a new one did not start.",
          );
          break;
        }
        if (old.leaving.signal.aborted) {
          // It had a successor of its own by then.
          this.#leave(fresh);
          continue;
        }
        this.#leave(old);
        await old.done;
      }
    }
  }

  /**
   * Lets a worker go that has run enough jobs, or takes none, once its successor
   * is ready.
   */
  async #succeed(old: Place): Promise<void> {
    if (this.#leaving || old.leaving.signal.aborted || old.succeeded) return;
    // Those that leave may take long, and run jobs beside their successors'.
    const leave = this.workers.filter((one) => one.worker && one.leaving);
    if (leave.length >= this.#options.workers) return;
    old.succeeded = true;
    const { worker } = old;
    const fresh = this.#addPlace(old.first, true);
    const ready = await fresh.cameUp.promise;
    if (this.#leaving) return;
    if (!ready || old.leaving.signal.aborted || old.worker !== worker) {
      // The old one serves on, was let go by someone else, or has a successor.
      this.#leave(fresh);
      old.succeeded = false;
      return;
    }
    old.leaving.abort();
    old.worker?.order({ order: "retire" });
  }

  #addPlace(first: boolean, succeeds = false): Place {
    const place: Place = {
      first,
      succeeds,
      leaving: new AbortController(),
      cameUp: Promise.withResolvers(),
      done: Promise.resolve(),
    };
    this.#places.add(place);
    place.done = this.#keepAlive(place).finally(() => {
      clearTimeout(place.killTimer);
      place.cameUp.resolve(false);
      this.#places.delete(place);
      this.#burst.left(place);
      this.#stopIfBurstIsOver();
      if (this.#places.size === 0) this.#finished.resolve();
    });
    return place;
  }

  /** Starts a worker, and another one whenever it has ended. */
  async #keepAlive(place: Place): Promise<void> {
    const leaving = place.leaving.signal;
    let predecessor: string | undefined;
    let failedStarts = 0;
    let quickDeaths = 0;
    while (true) {
      using permit = await this.#gate.enter(predecessor !== undefined);
      if (leaving.aborted) return;
      const worker = this.#spawn(place, predecessor);
      const ready = await worker?.ready ?? false;
      const readyAt = performance.now();
      // Before any was ready the others wait, so that they do not fail as well.
      if (this.#someWasReady) permit[Symbol.dispose]();
      place.cameUp.resolve(ready);
      if (worker !== undefined) {
        this.#ended(place, worker, ready, await worker.ended);
      }
      if (leaving.aborted) return;
      if (ready) {
        predecessor = worker!.name;
        failedStarts = 0;
        const quick = performance.now() - readyAt < QUICK_DEATH_MS;
        quickDeaths = quick ? quickDeaths + 1 : 0;
        const waits = quickDeaths - QUICK_DEATHS_AT_ONCE;
        if (waits > 0) await sleep(backoffMs(waits, START_AGAIN), leaving);
      } else {
        if (!this.#someWasReady && failedStarts + 1 >= MAX_FIRST_STARTS) {
          this.#giveUp({
            exitCode: 1,
            line: "Cannot work: no worker became ready in " +
              `${MAX_FIRST_STARTS} tries`,
          });
          return;
        }
        await sleep(backoffMs(failedStarts++, START_AGAIN), leaving);
      }
    }
  }

  #spawn(place: Place, predecessor?: string): WorkerProcess | undefined {
    const name = workerName();
    const config: WorkerConfig = {
      ...this.#options.config,
      nonce: `mqk:${randomHex(16)}:`,
      name,
      predecessor,
      first: place.first,
    };
    try {
      place.worker = new WorkerProcess(this.#options.command, config, {
        report: (worker, report) => this.#report(place, worker, report),
        line: this.#options.passOn,
      });
    } catch (error) {
      lifecycleLog.error("Cannot start a worker: {error}", { error });
      return undefined;
    }
    this.#options.observer?.started(name);
    place.served = place.replacing = false;
    this.#burst.started(place);
    return place.worker;
  }

  #report(place: Place, worker: WorkerProcess, report: Report): void {
    this.#burst.reported(place, report);
    this.#options.observer?.reported(worker.name, report);
    switch (report.report) {
      case "ready":
        if (!this.#someWasReady) {
          lifecycleLog.info("Master work on {pid}", { pid: Deno.pid });
        }
        this.#someWasReady = place.served = true;
        place.succeeds = false;
        this.#gate.open();
        this.#drain.end(worker.name);
        break;
      case "idle":
        this.#drain.end(worker.name);
        break;
      case "suspect":
        this.#drain.ask(worker.name);
        break;
      case "worn":
        void this.#succeed(place);
        break;
      case "replace":
        place.replacing = true;
        lifecycleLog.info("Worker {pid} is replaced: {reason}", {
          pid: worker.pid,
          reason: report.reason,
        });
        break;
      case "fatal":
        // A broker that is away comes back; what is wrong with one that
        // served this worker stays wrong.
        if (!this.#someWasReady || place.served) this.#giveUp(report);
        else if (!this.#leaving) {
          lifecycleLog.error("{line}", { line: report.line });
        }
    }
    this.#stopIfBurstIsOver();
  }

  #ended(
    place: Place,
    worker: WorkerProcess,
    wasReady: boolean,
    exit: WorkerExit,
  ): void {
    place.worker = undefined;
    if (wasReady) {
      this.#burst.died(place);
      this.#recover(worker.name);
    }
    this.#drain.end(worker.name);
    const expected = place.leaving.signal.aborted || place.replacing === true;
    this.#options.observer?.ended(worker.name, expected);
    const how = exit.signal ?? `exit code ${exit.code}`;
    if (place.leaving.signal.aborted) {
      if (exit.signal === "SIGKILL") {
        lifecycleLog.warning("Worker {pid} was killed while it was quitting.", {
          pid: worker.pid,
        });
      }
    } else if (!place.replacing) {
      lifecycleLog.warning(
        wasReady
          ? "Worker {pid} has died ({how}) and is replaced."
          : "Worker {pid} ended before it was ready ({how}).",
        { pid: worker.pid, how },
      );
    }
  }

  /** Lets a living worker recover a dead one: its successor must start first. */
  #recover(dead: string): void {
    for (const { worker, served, leaving } of this.#places) {
      if (worker === undefined || !served || leaving.signal.aborted) continue;
      return worker.order({ order: "recover", worker: dead });
    }
  }

  #stopIfBurstIsOver(): void {
    if (this.#options.config.burst && this.#burst.over) this.stop();
  }

  /** Ends the master because no worker can work. */
  #giveUp(end: MasterEnd): void {
    if (this.#leaving) return;
    this.#end = { exitCode: end.exitCode, line: end.line };
    this.quit();
  }

  #leave(place: Place): void {
    place.leaving.abort();
    place.worker?.order({ order: "stop" });
    const { shutdownTimeoutMs } = this.#options.config;
    this.#killIn(place, shutdownTimeoutMs + KILL_AFTER_STOP_MS);
  }

  #killIn(place: Place, delayMs: number): void {
    clearTimeout(place.killTimer);
    place.killTimer = setTimeout(() => place.worker?.kill(), delayMs);
  }

  #worker(name: string): WorkerProcess | undefined {
    for (const { worker } of this.#places) {
      if (worker?.name === name) return worker;
    }
  }
}
