import { type Broker, MAX_BATCH_BYTES } from "../broker/broker.ts";
import { decodeMessage, type Message } from "../job/message.ts";
import { checkScheduleName } from "../job/policy.ts";
import type { ScheduleSpec } from "../job/schedule.ts";
import { brokerLog, jobLog } from "../log.ts";
import { sleep } from "../time/sleep.ts";
import { Health } from "../worker/health.ts";
import { Reaper } from "../worker/reaper.ts";
import { RunTimes } from "../worker/run_times.ts";
import { standardExpression } from "./deno_expression.ts";
import type { CronProgram, Registration } from "./program.ts";

const EVERY_MS = 1_000;
const REPORT_EVERY_MS = 10_000;
const TAKE_JOBS = 100;
/** So long after a due time another process may still know the handler. */
const ELSEWHERE_MS = 60_000;
/** Deno's own, for a handler that throws. */
const BACKOFF_MS: readonly number[] = [100, 1_000, 5_000, 30_000, 60_000];
/** What its jobs call; only this program can run it. */
const REFERENCE = "deno:cron";

/** What running a program's handlers needs. */
export interface CronRunnerParts {
  readonly broker: Broker;
  /** The name of this process among the workers. */
  readonly worker: string;
  /** In which the jobs of this program wait, and no others. */
  readonly queue: string;
  define(name: string, spec: ScheduleSpec): Promise<unknown>;
  /** A registration that can't be used, or a store that fails. */
  failed(error: Error): void;
}

/**
 * Calls the handlers of a program that uses `Deno.cron`: each is a schedule,
 * and a job of it, which any of the processes with this program takes, calls
 * the handler. It is taken for good: a handler does not run twice for one due
 * time, but is cut short with its process.
 */
export class CronRunner {
  readonly #parts: CronRunnerParts;
  /** By the name of the schedule. */
  readonly #registrations = new Map<string, Registration>();
  readonly #registered = Promise.withResolvers<void>();
  readonly #calls = new Set<Promise<void>>();
  #done = 0;

  constructor(parts: CronRunnerParts) {
    this.#parts = parts;
  }

  /** Makes a schedule of what the program has registered. */
  register(registration: Registration): void {
    this.#register(registration).catch(this.#parts.failed);
  }

  /** Runs handlers that are due until `stopping` aborts and all have ended. */
  async run(program: CronProgram, stopping: AbortSignal): Promise<void> {
    stopping.addEventListener("abort", () => this.#registered.resolve(), {
      once: true,
    });
    // Else jobs would come before the handlers are known.
    await this.#registered.promise;
    await Promise.all([
      this.#reap(stopping),
      this.#take(program, stopping),
      this.#report(stopping),
    ]);
    await Promise.all(this.#calls);
  }

  async #register(registration: Registration): Promise<void> {
    const { queue, define } = this.#parts;
    const name = registration.name.trim().replace(/\s/g, "_");
    checkScheduleName(name);
    const known = this.#registrations.get(name);
    if (known !== undefined && known.name !== registration.name) {
      throw new Error(
        `Cannot tell the crons "${known.name}" and "${registration.name}" ` +
          "apart: their names must differ in more than spaces",
      );
    }
    this.#registrations.set(name, registration);
    await define(name, {
      job: REFERENCE,
      args: [registration.name],
      cron: standardExpression(registration.schedule),
      queue,
      retries: 0,
      result: false,
    });
    this.#registered.resolve();
  }

  async #reap(stopping: AbortSignal): Promise<void> {
    const { broker, queue } = this.#parts;
    const reaper = new Reaper(broker, [queue], true, { suspects: () => {} });
    while (!stopping.aborted) {
      try {
        await reaper.step(stopping);
      } catch (error) {
        brokerLog.warn("Cannot look what is due: {error}", {
          error: (error as Error).message,
        });
      }
      await sleep(EVERY_MS, stopping);
    }
  }

  /** Tells of this process as workers do, so that its queue is seen as served. */
  async #report(stopping: AbortSignal): Promise<void> {
    const { broker, worker, queue } = this.#parts;
    const health = new Health({
      queues: [queue],
      fast: true,
      runTimes: new RunTimes(performance.now()),
      count: () => ({
        waiting: 0,
        started: this.#calls.size,
        done: this.#done,
      }),
    });
    const tell = async (what: Record<string, string>) => {
      try {
        await broker.report(worker, what);
      } catch (error) {
        brokerLog.debug("Cannot report: {error}", { error });
      }
    };
    while (!stopping.aborted) {
      await tell(health.report());
      await sleep(REPORT_EVERY_MS, stopping);
    }
    await tell({});
  }

  async #take(program: CronProgram, stopping: AbortSignal): Promise<void> {
    const { broker, queue } = this.#parts;
    while (!stopping.aborted) {
      try {
        const { messages, blockedMs } = await broker.take(
          queue,
          TAKE_JOBS,
          MAX_BATCH_BYTES,
        );
        for (const text of messages) await this.#start(program, text, stopping);
        if (blockedMs !== undefined) await sleep(blockedMs, stopping);
        else if (messages.length === 0) await broker.wait([queue], stopping);
      } catch (error) {
        brokerLog.warn("Cannot take what is due: {error}", {
          error: (error as Error).message,
        });
        await sleep(EVERY_MS, stopping);
      }
    }
  }

  async #start(
    program: CronProgram,
    text: string,
    stopping: AbortSignal,
  ): Promise<void> {
    const registration = this.#registrationOf(text);
    if (registration === undefined) return await this.#leave(text);
    const { name } = registration;
    if (program.isRunning(name)) {
      // As Deno does: the next due time comes after the handler has ended.
      jobLog.info("Cron {name} still runs: this due time is left out", {
        name,
      });
      return;
    }
    const call = this.#call(program, registration, stopping)
      .finally(() => this.#calls.delete(call));
    this.#calls.add(call);
  }

  #registrationOf(text: string): Registration | undefined {
    const name = read(text)?.args[0];
    for (const registration of this.#registrations.values()) {
      if (registration.name === name) return registration;
    }
  }

  /** While a program is replaced, an older one may take what a newer one has. */
  async #leave(message: string): Promise<void> {
    const { broker, queue } = this.#parts;
    const { id = "", args = [] } = read(message) ?? {};
    if (Date.now() - Number(id.split(".")[1]) < ELSEWHERE_MS) {
      await broker.enqueue([{ id, queue, message, delayMs: EVERY_MS }]);
    } else {
      jobLog.warn(
        "Cron {name} of queue {queue} is in no program; " +
          "`mqk schedule delete` ends it",
        { queue, name: args[0] },
      );
    }
  }

  /** Calls a handler until it succeeds, or its attempts are used up. */
  async #call(
    program: CronProgram,
    { name, backoffSchedule = BACKOFF_MS }: Registration,
    stopping: AbortSignal,
  ): Promise<void> {
    for (const backoffMs of [...backoffSchedule, undefined]) {
      const done = await program.call(name);
      jobLog.info(done ? "Cron {name} has run" : "Cron {name} failed", {
        name,
      });
      if (done) this.#done++;
      if (done || backoffMs === undefined || stopping.aborted) return;
      await sleep(backoffMs, stopping);
      if (stopping.aborted) return;
    }
  }
}

function read(text: string): Message | undefined {
  try {
    return decodeMessage(text);
  } catch {
    // It was not ours.
  }
}
