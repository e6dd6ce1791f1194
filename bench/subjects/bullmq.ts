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

/** What is used here of `bullmq`, which is installed only for a run. */
interface BullMq {
  readonly Queue: new (name: string, options: Options) => Queue;
  readonly QueueEvents: new (name: string, options: Options) => Connected;
  readonly Worker: new (
    name: string,
    work: (job: { readonly data: Sum }) => Promise<number>,
    options: Options,
  ) => Worker;
}

type Options = Readonly<Record<string, unknown>>;

interface Connected {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface Queue extends Connected {
  add(name: string, data: Sum): Promise<{
    waitUntilFinished(events: Connected): Promise<unknown>;
  }>;
  addBulk(
    jobs: readonly { readonly name: string; readonly data: Sum }[],
  ): Promise<unknown>;
}

interface Worker extends Connected {
  on(event: string, listener: (argument: unknown) => void): void;
  run(): Promise<void>;
}

const { Queue, QueueEvents, Worker } = await import(
  "bullmq" as string
) as BullMq;

function connection(dsn: string): { host: string; port: number } {
  const { hostname, port } = new URL(dsn);
  return { host: hostname, port: Number(port) };
}

function keep(kept: boolean): Record<string, unknown> {
  return kept ? {} : {
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  };
}

await obey({
  async enqueue(order) {
    const open = new Map<string, Queue>();
    for (let i = 0; i < (order.queues ?? 1); i++) {
      const name = queueName(i);
      open.set(name, new Queue(name, { connection: connection(order.dsn) }));
      await open.get(name)!.waitUntilReady();
    }
    const data = sumArguments(order.payloadBytes);
    return await measureEnqueue(order, {
      many: (queue, count) =>
        open.get(queue)!.addBulk(
          Array.from({ length: count }, () => ({ name: "sum", data })),
        ),
      one: (queue) => open.get(queue)!.add("sum", data),
    });
  },

  async drain({ dsn, count, queues, concurrency, kept, waitMs }) {
    const counter = new Counter();
    const workers = Array.from({ length: queues }, (_, i) =>
      new Worker(
        queueName(i),
        async ({ data: { a, b } }) => {
          counter.begin();
          if (waitMs > 0) await sleep(waitMs);
          return a + b;
        },
        {
          connection: connection(dsn),
          autorun: false,
          concurrency,
          ...keep(kept),
        },
      ));
    for (const worker of workers) {
      worker.on("completed", () => counter.end());
      worker.on("error", (error) => console.error(error));
      await worker.waitUntilReady();
    }
    await ready();
    for (const worker of workers) void worker.run();
    const answer = await counter.rest(count);
    await Promise.all(workers.map((worker) => worker.close()));
    return answer;
  },

  async serve({ dsn }) {
    const worker = new Worker(queueName(0), () => Promise.resolve(nowMs()), {
      connection: connection(dsn),
    });
    await worker.waitUntilReady();
    await endOfStdin();
  },

  async "round-trips"(order) {
    const queue = new Queue(queueName(0), {
      connection: connection(order.dsn),
    });
    const events = new QueueEvents(queueName(0), {
      connection: connection(order.dsn),
    });
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
    return await measureRoundTrips(order, async () => {
      const job = await queue.add("start", sumArguments());
      return await job.waitUntilFinished(events) as number;
    });
  },
});
