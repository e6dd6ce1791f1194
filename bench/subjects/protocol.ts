/**
 * What the programs that are measured have in common. Each takes one order, as
 * JSON in its first argument, and prints its answer as the last line. They run
 * under Deno, and what is not ours under Node where it is there: so nothing
 * here belongs to one of them.
 *
 * @module
 */
import process from "node:process";

/** Puts jobs into queues. */
export interface EnqueueOrder {
  readonly action: "enqueue";
  /** Where; `redis://127.0.0.1:<port>`, or for MQK any DSN. */
  readonly dsn: string;
  /** 1,000 a call; 100 calls in flight; or one by one. */
  readonly mode: "batches" | "in-flight" | "one-by-one";
  readonly count: number;
  /** Over how many queues they are spread, in turn. Default 1. */
  readonly queues?: number;
  /** MQK: the job's reference. Default `mqk:calculator#sum`. */
  readonly job?: string;
  /** MQK: whether outcomes are kept. Default true. */
  readonly kept?: boolean;
  /** Length of a text beside the two numbers, in bytes. Default 0. */
  readonly payloadBytes?: number;
}

/** Runs what waits; begins when a line arrives on stdin, ends when all rests. */
export interface DrainOrder {
  readonly action: "drain";
  readonly dsn: string;
  /** How many jobs wait in all. */
  readonly count: number;
  readonly queues: number;
  readonly concurrency: number;
  /** Whether what has ended stays in the store. */
  readonly kept: boolean;
  /** Bare client: at most once, by take alone. */
  readonly fast?: boolean;
  /** How long a job waits, without work. */
  readonly waitMs: number;
}

/** Runs each job at once, and returns when it started; ends with stdin. */
export interface ServeOrder {
  readonly action: "serve";
  readonly dsn: string;
}

/** Sends jobs one by one to an idle server and waits for each result. */
export interface RoundTripsOrder {
  readonly action: "round-trips";
  readonly dsn: string;
  readonly count: number;
  /** MQK: the job's reference. */
  readonly job?: string;
}

/** What one of the programs is told. */
export type Order = EnqueueOrder | DrainOrder | ServeOrder | RoundTripsOrder;

/** How many jobs were stored, and how fast all but the first tenth. */
export interface EnqueueAnswer {
  readonly counted: number;
  readonly rate: number;
}

/** How many jobs ran here, and when the first began and the last ended. */
export interface DrainAnswer {
  readonly counted: number;
  /** What this process used for them. */
  readonly cpuSeconds: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** From the push to the start of each job, and to the arrival of its result. */
export interface RoundTripsAnswer {
  readonly pickUpMs: readonly number[];
  readonly roundTripMs: readonly number[];
}

/** What a program can do; what is missing, it can't. */
export interface Actions {
  enqueue?(order: EnqueueOrder): Promise<EnqueueAnswer>;
  drain?(order: DrainOrder): Promise<DrainAnswer>;
  serve?(order: ServeOrder): Promise<void>;
  "round-trips"?(order: RoundTripsOrder): Promise<RoundTripsAnswer>;
}

/** Obeys the order in the first argument, and ends the program. */
export async function obey(actions: Actions): Promise<void> {
  const order = JSON.parse(process.argv[2]) as Order;
  const action = actions[order.action] as (order: Order) => Promise<unknown>;
  const answer = await action.call(actions, order);
  process.stdout.write(
    JSON.stringify(answer ?? {}) + "\n",
    () => process.exit(0),
  );
}

/** Milliseconds since 1970 with their fraction, alike in all processes. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** CPU that this process has used, in all its threads. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The arguments of a job, as an object. */
export interface Sum {
  readonly a: number;
  readonly b: number;
  readonly text?: string;
}

/** Its arguments: two numbers, and a text if one is wanted. */
export function sumArguments(payloadBytes = 0): Sum {
  return payloadBytes === 0
    ? { a: 1, b: 2 }
    : { a: 1, b: 2, text: "x".repeat(payloadBytes) };
}

/** Name of queue `i`, alike for all. */
export function queueName(i: number): string {
  return i === 0 ? "default" : `queue${i}`;
}

/** Makes all jobs with `send`, in the way the order says, and takes the time. */
export async function measureEnqueue(
  { mode, count, queues = 1 }: EnqueueOrder,
  send: {
    many(queue: string, count: number): Promise<unknown>;
    one(queue: string): Promise<unknown>;
  },
): Promise<EnqueueAnswer> {
  let counted = 0;
  const next = async () => {
    const queue = queueName(counted++ % queues);
    await send.one(queue);
  };
  const most = Math.min(1000, Math.ceil(count / queues));
  let batch = 0;
  const sendUntil = async (end: number) => {
    if (mode === "batches") {
      while (counted < end) {
        const size = Math.min(most, end - counted);
        await send.many(queueName(batch++ % queues), size);
        counted += size;
      }
    } else {
      const lines = mode === "in-flight" ? 100 : 1;
      await Promise.all(Array.from({ length: lines }, async () => {
        while (counted < end) await next();
      }));
    }
  };
  // Connections are opened and code is compiled before the clock starts.
  const warmUp = Math.floor(count / 10);
  await sendUntil(warmUp);
  const startedAt = performance.now();
  await sendUntil(count);
  const seconds = (performance.now() - startedAt) / 1000;
  return { counted, rate: (count - warmUp) / seconds };
}

/** Counts jobs from inside; `ran` is to be called when one has ended. */
export class Counter {
  #counted = 0;
  #firstMs = 0;
  #lastMs = 0;
  #cpuSeconds = 0;

  /** One job begins. */
  begin(): void {
    if (this.#firstMs !== 0) return;
    this.#firstMs = nowMs();
    this.#cpuSeconds = cpuSeconds();
  }

  /** One job has ended. */
  end(): void {
    this.#counted++;
    this.#lastMs = nowMs();
  }

  /** Resolves when all `count` ran, or when nothing has happened for a while. */
  async rest(count: number): Promise<DrainAnswer> {
    const startedMs = nowMs();
    while (this.#counted < count) {
      await sleep(20);
      const quietMs = nowMs() - Math.max(this.#lastMs, startedMs);
      if (quietMs > (this.#counted === 0 ? 5000 : 500)) break;
    }
    return {
      counted: this.#counted,
      cpuSeconds: cpuSeconds() - this.#cpuSeconds,
      firstMs: this.#firstMs,
      lastMs: this.#lastMs,
    };
  }
}

/** Says that the program is ready, and waits for a line or the end of stdin. */
export async function ready(): Promise<void> {
  process.stdout.write('{"ready":true}\n');
  await new Promise((resolve) => {
    process.stdin.once("data", resolve);
    process.stdin.once("end", resolve);
  });
}

/** Waits for the end of stdin. */
export async function endOfStdin(): Promise<void> {
  process.stdout.write('{"ready":true}\n');
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("end", resolve));
}

/** Sends jobs one by one with pauses, so that each finds an idle worker. */
export async function measureRoundTrips(
  { count }: RoundTripsOrder,
  call: () => Promise<number>,
): Promise<RoundTripsAnswer> {
  for (let i = 0; i < 20; i++) await call();
  const pickUpMs: number[] = [];
  const roundTripMs: number[] = [];
  for (let i = 0; i < count; i++) {
    await sleep(2 + Math.random() * 4);
    const pushedMs = nowMs();
    const startedMs = await call();
    roundTripMs.push(nowMs() - pushedMs);
    pickUpMs.push(startedMs - pushedMs);
  }
  return { pickUpMs, roundTripMs };
}
