import {
  Counter,
  endOfStdin,
  measureEnqueue,
  measureRoundTrips,
  nowMs,
  obey,
  queueName,
  ready,
  sleep,
  type Sum,
  sumArguments,
} from "./protocol.ts";

/** What is used here of `bee-queue`, which is installed only for a run. */
interface BeeQueue {
  ready(): Promise<BeeQueue>;
  createJob(data: Sum): Job;
  saveAll(jobs: readonly Job[]): Promise<Map<Job, Error>>;
  on(event: string, listener: (argument: unknown) => void): void;
  process(
    concurrency: number,
    work: (job: { readonly data: Sum }) => Promise<number>,
  ): void;
}

interface Job {
  save(): Promise<unknown>;
  on(event: "succeeded", listener: (result: number) => void): void;
}

type Settings = Readonly<Record<string, unknown>>;

const { default: BeeQueue } = await import("bee-queue" as string) as {
  readonly default: new (name: string, settings: Settings) => BeeQueue;
};

async function open(
  dsn: string,
  name: string,
  settings: Settings,
): Promise<BeeQueue> {
  const { hostname, port } = new URL(dsn);
  const queue = new BeeQueue(name, {
    redis: { host: hostname, port: Number(port) },
    activateDelayedJobs: false,
    ...settings,
  });
  return await queue.ready();
}

/** A queue that only sends, as its manual advises. */
const SENDER: Settings = {
  isWorker: false,
  getEvents: false,
  sendEvents: false,
  storeJobs: false,
};

await obey({
  async enqueue(order) {
    const queues = new Map<string, BeeQueue>();
    for (let i = 0; i < (order.queues ?? 1); i++) {
      const name = queueName(i);
      queues.set(name, await open(order.dsn, name, SENDER));
    }
    const data = sumArguments(order.payloadBytes);
    return await measureEnqueue(order, {
      async many(name, count) {
        const queue = queues.get(name)!;
        const errors = await queue.saveAll(
          Array.from({ length: count }, () => queue.createJob(data)),
        );
        if (errors.size > 0) throw [...errors.values()][0];
      },
      one: (name) => queues.get(name)!.createJob(data).save(),
    });
  },

  async drain({ dsn, count, queues, concurrency, kept, waitMs }) {
    const counter = new Counter();
    const opened = await Promise.all(
      Array.from({ length: queues }, (_, i) =>
        open(dsn, queueName(i), {
          getEvents: false,
          sendEvents: kept,
          storeJobs: false,
          removeOnSuccess: !kept,
        })),
    );
    await ready();
    for (const queue of opened) {
      queue.on("succeeded", () => counter.end());
      queue.on("error", (error) => console.error(error));
      queue.process(concurrency, async ({ data: { a, b } }) => {
        counter.begin();
        if (waitMs > 0) await sleep(waitMs);
        return a + b;
      });
    }
    return await counter.rest(count);
  },

  async serve({ dsn }) {
    const queue = await open(dsn, queueName(0), {
      getEvents: false,
      storeJobs: false,
    });
    queue.process(1, () => Promise.resolve(nowMs()));
    await endOfStdin();
  },

  async "round-trips"(order) {
    const queue = await open(order.dsn, queueName(0), {
      isWorker: false,
      sendEvents: false,
    });
    return await measureRoundTrips(
      order,
      () =>
        new Promise((resolve, reject) => {
          const job = queue.createJob(sumArguments());
          job.on("succeeded", resolve);
          job.save().catch(reject);
        }),
    );
  },
});
