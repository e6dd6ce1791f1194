import { join } from "node:path";
import { openBroker, openInspector } from "../../src/broker/open.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { decodeMessage } from "../../src/job/message.ts";
import { decodeFailedEntry } from "../../src/job/outcome.ts";
import { deadline } from "../../src/time/deadline.ts";
import { sleep } from "../../src/time/sleep.ts";
import { type BrokerKind, Site } from "../guarantees/site.ts";
import { type Account, accountOf, type Failed } from "./evidence.ts";
import { Fleet } from "./fleet.ts";
import { JOBS_SOURCE, type KindName } from "./jobs.ts";
import { type Fault, planFaults } from "./plan.ts";
import { Producers } from "./producers.ts";
import { Records } from "./records.ts";
import { sendJobs } from "./send.ts";

/** What a soak is told. */
export interface SoakOptions {
  readonly broker: BrokerKind;
  readonly seed: number;
  readonly minutes: number;
  print(line: string): void;
}

const QUEUES = ["default", "low"];
const MASTERS = 2;
const PRODUCERS = 3;
/** Heaps so small that a job that eats its own ends soon. */
const V8_FLAGS = "--max-old-space-size=128";
/** When the faults are over all must end in this time. */
const REST_MS = 180_000;
/** A violation that names a worker; the log may say what became of it. */
const LIVED = /worker (\d+) lived/g;
const COUNT_WITHIN_MS = 800;

/** Runs one fleet under faults, and adds up what became of its jobs. */
export async function soak(options: SoakOptions): Promise<Account> {
  const flags = Deno.env.get("DENO_V8_FLAGS");
  Deno.env.set("DENO_V8_FLAGS", V8_FLAGS);
  try {
    await using resources = new AsyncDisposableStack();
    const site = resources.use(
      await Site.open(options.broker, JOBS_SOURCE, { aof: true }),
    );
    const broker = resources.use(await openBroker(site.dsn));
    const fleet = await Fleet.start(site, MASTERS);
    const producers = resources.use(
      new Producers(site.dsn, options.seed * 1000, PRODUCERS),
    );
    return await new Soak(options, site, broker, fleet, producers).run();
  } finally {
    if (flags === undefined) Deno.env.delete("DENO_V8_FLAGS");
    else Deno.env.set("DENO_V8_FLAGS", flags);
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #site: Site;
  readonly #broker: Broker;
  readonly #fleet: Fleet;
  readonly #producers: Producers;
  readonly #records: Records;
  /** Faults that last. */
  readonly #lasting: Promise<void>[] = [];
  #startedMs = performance.now();
  /** What is done to Redis is done one after the other. */
  #redis: Promise<void> = Promise.resolve();
  readonly #left: string[] = [];
  #faults = 0;

  constructor(
    options: SoakOptions,
    site: Site,
    broker: Broker,
    fleet: Fleet,
    producers: Producers,
  ) {
    this.#options = options;
    this.#site = site;
    this.#broker = broker;
    this.#fleet = fleet;
    this.#producers = producers;
    this.#records = new Records(join(site.dir.path, "ran.txt"));
  }

  async run(): Promise<Account> {
    const { seed, broker, minutes, print } = this.#options;
    const watching = new AbortController();
    const watch = this.#watch(watching.signal);
    try {
      await this.#producers.ready();
      this.#startedMs = performance.now();
      for (const fault of planFaults(seed, broker, minutes * 60_000)) {
        await sleep(this.#startedMs + fault.atMs - performance.now());
        print(`        ${fault.kind} ${fault.target}`);
        this.#faults++;
        this.#lasting.push(this.#carryOut(fault));
      }
      await sleep(this.#startedMs + minutes * 60_000 - performance.now());
      await Promise.all(this.#lasting);
      print("        no more faults");
      await deadline(this.#producers.stop(), REST_MS, "all results")
        .catch((error) => this.#left.push(error.message));
      await this.#empty();
    } finally {
      watching.abort();
      await watch;
    }
    await this.#fleet.end();
    return await this.#account();
  }

  async #carryOut({ kind, target, forMs }: Fault): Promise<void> {
    const fleet = this.#fleet;
    const redis = this.#site.redis;
    switch (kind) {
      case "killWorker":
        return fleet.killWorker(target);
      case "killMaster":
        return await fleet.killMaster(target);
      case "stopWorker":
        return await fleet.stopWorker(target, forMs);
      case "hangUp":
        return fleet.hangUp(target);
      case "endMaster":
        return await fleet.endMaster(target);
      case "blockClient":
        return await this.#producers.block(target, forMs);
      case "killClient":
        return this.#producers.kill(target);
      case "killRedis":
        return await this.#afterRedis(async () => {
          await redis!.kill();
          await sleep(forMs);
          await redis!.restart();
        });
      case "pauseRedis":
        return await this.#afterRedis(async () => {
          redis!.pause();
          await sleep(forMs);
          redis!.resume();
        });
      case "flushScripts":
        return await this.#afterRedis(async () => {
          await redis!.call("SCRIPT", "FLUSH");
        });
      default:
        return await this.#send(kind, 1 + target % 2);
    }
  }

  #afterRedis(change: () => Promise<void>): Promise<void> {
    return this.#redis = this.#redis.then(change);
  }

  /** Sends unkind jobs, at a moment when that can be confirmed. */
  #send(kind: KindName, count: number): Promise<void> {
    return this.#afterRedis(async () => {
      try {
        const jobs = await sendJobs(this.#site.client, kind, "default", count);
        for (const { id } of jobs) this.#producers.confirmed.set(id, kind);
      } catch (error) {
        // A suspended worker may have locked the file.
        this.#options.print(`        not sent: ${(error as Error).name}`);
      }
    });
  }

  /** A line a second. */
  async #watch(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      this.#records.read();
      const waiting = await this.#waiting().catch(() => "?");
      const seconds = (performance.now() - this.#startedMs) / 1000;
      this.#options.print(
        `${seconds.toFixed(1).padStart(6)} s  done ${this.#records.done}  ` +
          `repeated ${this.#records.repeated}  killed ${this.#fleet.kills}  ` +
          `waiting ${waiting}  ${await this.#sizes()}`,
      );
      await sleep(1_000, ending);
    }
  }

  async #waiting(): Promise<number> {
    const counts = await deadline(
      this.#broker.counts(QUEUES),
      COUNT_WITHIN_MS,
      "counts",
    );
    return counts.reduce(
      (sum, { ready, suspect, crashed, held, retry, scheduled }) =>
        sum + ready + suspect + crashed + held + retry + scheduled,
      0,
    );
  }

  /** Memory of the masters, and of Redis or the file. */
  async #sizes(): Promise<string> {
    return `masters ${this.#fleet.rssMb().join(" ")} MB, ` +
      await deadline(this.#storeSize(), COUNT_WITHIN_MS, "size")
        .catch(() => "store ?");
  }

  async #storeSize(): Promise<string> {
    const { redis, dir } = this.#site;
    if (redis !== undefined) {
      const info = String(await redis.call("INFO", "memory"));
      return `redis ${megabytes(Number(/used_memory:(\d+)/.exec(info)![1]))}`;
    }
    const size = (name: string) =>
      Deno.stat(join(dir.path, name)).then(({ size }) => size, () => 0);
    return `file ${megabytes(await size("queue.sqlite"))}, ` +
      `wal ${megabytes(await size("queue.sqlite-wal"))}`;
  }

  /** Waits until nothing is left to do. */
  async #empty(): Promise<void> {
    const endMs = performance.now() + REST_MS;
    for (let empty = 0; empty < 2 && performance.now() < endMs;) {
      empty = await this.#waiting().catch(() => -1) === 0 ? empty + 1 : 0;
      await sleep(300);
    }
  }

  async #account(): Promise<Account> {
    const { confirmed, heard, uncertain } = this.#producers;
    const { violated, kills, exitCodes } = this.#fleet;
    this.#records.read();
    const account = accountOf({
      confirmed,
      heard,
      lines: this.#records.lines,
      failed: await this.#failed(),
      violated,
      kills,
      left: [...this.#left, ...await this.#leftInStore()],
    });
    this.#options.print(
      `${this.#faults} faults, ${kills} workers killed, ${confirmed.size} ` +
        `jobs confirmed, ${uncertain} uncertain, ${heard.length} results ` +
        `awaited, exit codes ${[...new Set(exitCodes)].join(" ")}`,
    );
    for (const [, pid] of account.violations.join("\n").matchAll(LIVED)) {
      for (const line of this.#fleet.mentions(Number(pid))) {
        this.#options.print(line);
      }
    }
    return account;
  }

  async #leftInStore(): Promise<string[]> {
    const left: string[] = [];
    const counts = await this.#broker.counts(QUEUES);
    counts.forEach(({ failed: _, ...states }, index) => {
      for (const [state, count] of Object.entries(states)) {
        if (count > 0) left.push(`${QUEUES[index]} has ${count} ${state}`);
      }
    });
    const { redis } = this.#site;
    for (const key of await redis?.call("KEYS", "*:held:*") as string[] ?? []) {
      left.push(`key ${key}`);
    }
    return left;
  }

  async #failed(): Promise<Failed[]> {
    await using inspector = await openInspector(this.#site.dsn);
    const failed: Failed[] = [];
    for (const queue of QUEUES) {
      for await (const { text } of inspector.jobs(queue, "failed")) {
        const { message, attempts, error } = decodeFailedEntry(text);
        const { id, job } = decodeMessage(message);
        failed.push({
          id: id!,
          kind: job.split("#")[1],
          attempts,
          error: `${error.name}: ${error.message}`,
        });
      }
    }
    return failed;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
