import { resolve } from "node:path";
import { findRoot } from "../broker/dsn.ts";
import { MEMORY } from "../broker/sqlite/schema.ts";
import { SqliteBroker } from "../broker/sqlite/sqlite_broker.ts";
import type { Client } from "../client/client.ts";
import { StoreClient } from "../client/store_client.ts";
import { BorrowedStore } from "../client/store_connection.ts";
import { ArgumentError } from "../errors.ts";
import type { Middleware } from "../job/middleware.ts";
import { type FailedJob, failedJob } from "./failed_job.ts";
import { goLive } from "./live_tests.ts";
import { type SentJob, SentJobs } from "./sent_jobs.ts";
import { type TestClock, TestWorker } from "./test_worker.ts";

/**
 * What {@linkcode testMqk} can be told.
 *
 * @example
 * ```ts
 * import { type TestOptions, testMqk } from "@mqk/core/testing";
 * const options: TestOptions = { inline: true, root: "examples" };
 * await using mqk = testMqk(options);
 * ```
 */
export interface TestOptions {
  /**
   * Job modules lie below this folder. Default: the folder of the nearest
   * `deno.json`, as for `mqk run`.
   */
  readonly root?: string;
  /** Modules in which bare names are looked up, as named on `mqk run`. */
  readonly modules?: readonly string[];
  /**
   * Run each job as soon as it is sent: outside of jobs, a call resolves when
   * nothing is due any more. Default `false`: jobs wait for
   * {@linkcode TestMqk.run}.
   */
  readonly inline?: boolean;
  /**
   * Leave `invoke()`, `jobs()` and `connect()` alone, so that several can live
   * at once: only `client`, and what its jobs send, is for this one. Default
   * `false`.
   */
  readonly standalone?: boolean;
  /**
   * Run around every job, outermost first, as the modules of `mqk run --use`.
   * Default: none.
   */
  readonly use?: readonly Middleware[];
  /** What its clock shows at first. Default: the time now. */
  readonly now?: Date;
}

/**
 * A broker and a worker for one test: in memory, in this process, by a clock
 * that only the test moves.
 *
 * @example Time passes when the test says so
 * ```ts
 * import { invoke } from "@mqk/core";
 * import { type TestMqk, testMqk } from "@mqk/core/testing";
 * await using mqk: TestMqk = testMqk();
 * const job = await invoke({ job: "mqk:calculator#sum", delay: 3600 }, 1, 2);
 * await mqk.advance(3600);
 * console.log(await job.result()); // 3
 * ```
 */
export interface TestMqk extends AsyncDisposable {
  /** Sends jobs to it, as the top-level functions do meanwhile. */
  readonly client: Client;
  /** What its clock shows. */
  readonly now: Date;

  /**
   * The jobs that were sent so far, in their order; with a reference, those
   * alone that call this function. A job that was not stored because of its
   * idempotency key is not among them.
   */
  jobs(reference?: string): SentJob[];

  /**
   * Runs the jobs that are due, and those that they send, until all have
   * ended. A failed attempt that is to be tried again waits for
   * {@linkcode advance}.
   */
  run(): Promise<void>;

  /**
   * Moves the clock and runs what is due on the way, each job at its time: what
   * was delayed, and retries. Jobs that a `run` that was not awaited has
   * started meet their ttl: their signal aborts.
   *
   * @param seconds At least 0.
   * @throws {ArgumentError} If it is below 0 or no number.
   */
  advance(seconds: number): Promise<void>;

  /** The failed set: jobs that used up their attempts, oldest first. */
  failed(): Promise<FailedJob[]>;
}

/**
 * Redirects what this process sends to a store in memory, until it is disposed,
 * and runs it when the test says so: with the module, arguments and results
 * that a worker would have, but here, and by a clock of its own. Nothing is
 * started, nothing is written.
 *
 * `connect()` is redirected if it is called without a DSN meanwhile.
 *
 * @throws {ArgumentError} If `root` is no folder.
 * @throws {Error} If another one that is not `standalone` is not disposed yet.
 *
 * @example Look at what was sent
 * ```ts
 * import { invoke } from "@mqk/core";
 * import { testMqk } from "@mqk/core/testing";
 * import assert from "node:assert/strict";
 * Deno.test("a new user gets a mail", async () => {
 *   await using mqk = testMqk();
 *   await invoke("./jobs/mail.ts#send", "ann@example.com"); // your code
 *   assert.deepEqual(mqk.jobs().map(({ args }) => args), [["ann@example.com"]]);
 * });
 * ```
 *
 * @example Run jobs as they are sent
 * ```ts
 * import { invoke } from "@mqk/core";
 * import { testMqk } from "@mqk/core/testing";
 * await using _mqk = testMqk({ inline: true });
 * const job = await invoke("mqk:calculator#sum", 1, 2);
 * console.log(await job.status()); // done
 * ```
 */
export function testMqk(options: TestOptions = {}): TestMqk {
  return new MemoryMqk(options);
}

class MemoryMqk implements TestMqk {
  readonly client: Client;
  readonly #clock: TestClock;
  readonly #sent: SentJobs;
  readonly #worker: TestWorker;
  readonly #live: Disposable;
  #opening: Promise<SqliteBroker> | undefined;

  constructor(options: TestOptions) {
    const { modules = [], inline = false, standalone = false, use = [] } =
      options;
    this.#clock = { nowMs: (options.now ?? new Date()).getTime() };
    const broker = () => this.#broker();
    this.#worker = new TestWorker({
      broker,
      clock: this.#clock,
      rules: { root: checkRoot(options.root), modules, allowImport: [] },
      use,
      sending: () => this.#sent.sending,
    });
    this.#sent = new SentJobs(broker, this.#clock, async (dueMs) => {
      const fromJob = this.#worker.busy;
      this.#worker.sent(dueMs);
      // A job that waited for the end of all others would wait for itself.
      if (inline && !fromJob) await this.#worker.run();
    }, (queue) => this.#worker.cancelled(queue));
    const now = () => this.#clock.nowMs;
    const control = async () => (await broker()).control;
    this.client = new StoreClient(
      new BorrowedStore(this.#sent, now, control),
    );
    this.#live = goLive({
      client: this.client,
      context: {
        current: () => this.#worker.current()?.current,
        store: this.#sent,
        now,
        control,
      },
      standalone,
    });
  }

  get now(): Date {
    return new Date(this.#clock.nowMs);
  }

  jobs(reference?: string): SentJob[] {
    return this.#sent.list.filter((job) =>
      reference === undefined || job.reference === reference
    );
  }

  run(): Promise<void> {
    return this.#worker.run();
  }

  async advance(seconds: number): Promise<void> {
    if (typeof seconds !== "number" || !(seconds >= 0)) {
      throw new ArgumentError(
        `Cannot advance by ${seconds}: it must be seconds, at least 0`,
      );
    }
    await this.#worker.advance(seconds * 1000);
  }

  async failed(): Promise<FailedJob[]> {
    const inspector = (await this.#broker()).inspector();
    const jobs: FailedJob[] = [];
    for (const queue of await inspector.queues()) {
      for await (const record of inspector.jobs(queue, "failed")) {
        jobs.push(failedJob(record));
      }
    }
    return jobs.sort((a, b) => a.failedAt.getTime() - b.failedAt.getTime());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#live[Symbol.dispose]();
    this.#worker.stop();
    await this.client.close();
    await (await this.#opening)?.[Symbol.asyncDispose]();
  }

  #broker(): Promise<SqliteBroker> {
    return this.#opening ??= SqliteBroker.open(
      { kind: "sqlite", path: MEMORY },
      { clock: () => this.#clock.nowMs },
    );
  }
}

function checkRoot(root?: string): string {
  const folder = root === undefined ? findRoot() : resolve(root);
  try {
    return Deno.realPathSync(folder);
  } catch (error) {
    throw new ArgumentError(
      `Cannot use root ${folder}: it must be a folder that can be read`,
      { cause: error },
    );
  }
}
