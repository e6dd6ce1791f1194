import { join } from "node:path";
import type { Broker, Settlement } from "../../src/broker/broker.ts";
import { openBroker } from "../../src/broker/open.ts";
import { type Client, connect } from "../../src/client/client.ts";
import { decodeMessage, type Message } from "../../src/job/message.ts";
import { encodeOutcome, type Outcome } from "../../src/job/outcome.ts";
import { eventually } from "../harness/eventually.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** A client, and beside it a broker through which the test plays the worker. */
export class Scene implements AsyncDisposable {
  readonly #resources: AsyncDisposableStack;
  #workers = 0;

  private constructor(
    readonly dsn: string,
    readonly client: Client,
    readonly broker: Broker,
    resources: AsyncDisposableStack,
  ) {
    this.#resources = resources;
  }

  static async open(dsn: string): Promise<Scene> {
    await using resources = new AsyncDisposableStack();
    const client = resources.use(connect(dsn));
    const broker = resources.use(await openBroker(dsn));
    return new Scene(dsn, client, broker, resources.move());
  }

  /** Reserves `count` jobs of a queue as soon as they are there; oldest first. */
  async reserve(count: number, queue = "default"): Promise<Reserved[]> {
    const worker = `w${++this.#workers}`;
    const reserved: Reserved[] = [];
    await eventually(async () => {
      const { tokens, messages } = await this.broker.reserve(worker, queue, {
        limit: count - reserved.length,
        bytes: 2 ** 24,
        known: reserved.length,
        idle: true,
      });
      messages.forEach((text, i) =>
        reserved.push(new Reserved(this.broker, worker, queue, tokens[i], text))
      );
      return reserved.length === count;
    });
    return reserved;
  }

  /** Runs the next job of a queue: settles it with this outcome. */
  async end(outcome: Outcome, queue?: string): Promise<Reserved> {
    const [job] = await this.reserve(1, queue);
    await job.end(outcome);
    return job;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** One reserved job. */
export class Reserved {
  readonly message: Message;

  constructor(
    readonly broker: Broker,
    readonly worker: string,
    readonly queue: string,
    readonly token: string,
    readonly text: string,
  ) {
    this.message = decodeMessage(text);
  }

  /** Settles it as done, or as failed without a further attempt. */
  async end(outcome: Outcome): Promise<void> {
    const settlement = this.settlement(outcome);
    await this.broker.settle(this.worker, this.queue, [settlement]);
  }

  settlement(outcome: Outcome): Settlement {
    const { id = "" } = this.message;
    const end = { token: this.token, id, outcome: encodeOutcome(outcome) };
    return outcome.kind === "failed"
      ? { kind: "failed", entry: this.text, ...end }
      : { kind: "done", ...end };
  }
}

/** A job that returned `value`. */
export function returned(value: unknown): Outcome {
  return { kind: "done", json: JSON.stringify(value) ?? "" };
}

/** The same test over each broker. */
export function onEachBroker(
  sentence: string,
  test: (scene: Scene) => Promise<void>,
): void {
  Deno.test(`Redis: ${sentence}`, async () => {
    await using redis = await RedisServer.start();
    await using scene = await Scene.open(redis.dsn);
    await test(scene);
  });
  Deno.test(`SQLite: ${sentence}`, async () => {
    await using folder = new TempDir();
    const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
    await using scene = await Scene.open(dsn);
    await test(scene);
  });
}
