import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { encodeMessage, type Message } from "../../src/job/message.ts";
import { decodeUpdate } from "../../src/job/update.ts";
import type {
  AbortReason,
  Ended,
  EndedOtherwise,
  FromThread,
  ThreadOptions,
  ToThread,
} from "../../src/thread/protocol.ts";
import { eventually } from "../harness/eventually.ts";

/** The folder of the job modules that tests run; the default root. */
export const JOBS: string = fileURLToPath(import.meta.resolve("../jobs"));

/** What is left of a batch that a test handed over. */
export interface TestBatch {
  readonly number: number;
  readonly slots: Int32Array;
}

/** A message with defaults for all that a test does not care about. */
export function message(job: string, fields: Partial<Message> = {}): string {
  return encodeMessage({
    id: "p.1",
    job,
    args: [],
    ttl: 60,
    retries: 3,
    backoff: "exponential",
    attempt: 1,
    result: true,
    ...fields,
  });
}

/** A real job thread, and all that it says. */
export class TestThread implements AsyncDisposable {
  readonly warnings: string[] = [];
  readonly stale: string[] = [];
  readonly calls: Extract<FromThread, { kind: "call" }>[] = [];
  /** What jobs reported and what ended, in the order in which it came. */
  readonly reports: Extract<FromThread, { kind: "report" | "ended" }>[] = [];
  /** Lets jobs go on at once after each report. */
  answersReports = true;
  /** The start failed with this. */
  fatal: string | undefined;
  /** The highest ping that was answered. */
  pong = 0;
  /** Two limits, as the protocol says; a test may move them. */
  readonly lease: Float64Array;
  readonly #thread: Worker;
  readonly #port: MessagePort;
  readonly #ended = new Map<number, Ended[]>();
  readonly #ready = Promise.withResolvers<void>();
  #batches = 0;

  private constructor(
    options: Partial<ThreadOptions>,
    worker: Omit<WorkerOptions, "type">,
  ) {
    this.#thread = new Worker(
      import.meta.resolve("../../src/thread/main.ts"),
      { type: "module", ...worker },
    );
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }: MessageEvent<FromThread>) => this.#hear(data);
    const lease = new SharedArrayBuffer(16);
    this.lease = new Float64Array(lease).fill(Infinity);
    const start: ToThread = {
      kind: "start",
      options: {
        root: JOBS,
        modules: [],
        use: [],
        allowImport: [],
        concurrency: 10,
        fast: false,
        verbosity: 0,
        ...options,
      },
      lease,
      port: port2,
    };
    this.#thread.postMessage(start, [port2]);
  }

  /** Starts a thread; resolves when it is ready, or has failed to start. */
  static async start(
    options: Partial<ThreadOptions> = {},
    worker: Omit<WorkerOptions, "type"> = {},
  ): Promise<TestThread> {
    const thread = new TestThread(options, worker);
    await thread.#ready.promise;
    return thread;
  }

  /** Hands a batch over. */
  dispatch(...messages: string[]): TestBatch {
    const slots = new SharedArrayBuffer(4 * messages.length);
    const number = ++this.#batches;
    this.#ended.set(number, []);
    this.post({ kind: "batch", batch: number, queue: "q", messages, slots });
    return { number, slots: new Int32Array(slots) };
  }

  /** What has ended of a batch, in the order of its jobs. */
  endedOf({ number }: TestBatch): Ended[] {
    return this.#ended.get(number)!.toSorted((a, b) => a.index - b.index);
  }

  /** Waits until all jobs of a batch have ended. */
  async all(batch: TestBatch): Promise<Ended[]> {
    await eventually(() => {
      assert.equal(this.endedOf(batch).length, batch.slots.length);
    });
    return this.endedOf(batch);
  }

  /** Runs one job and answers with how it ended. */
  async run(text: string): Promise<Ended> {
    return (await this.all(this.dispatch(text)))[0];
  }

  /** Calls one function, and answers with its stored outcome. */
  async call(job: string, ...args: unknown[]): Promise<string | undefined> {
    const ended = await this.run(message(job, { args }));
    assert.equal(ended.kind, "done", JSON.stringify(ended));
    return ended.kind === "done" ? ended.outcome : undefined;
  }

  /** Calls one function that must fail, and answers with its error. */
  async failing(
    job: string,
    ...args: unknown[]
  ): Promise<Extract<EndedOtherwise, { error: unknown }>["error"]> {
    const ended = await this.run(message(job, { args }));
    if (ended.kind !== "retry" && ended.kind !== "failed") {
      assert.fail(`It must fail: ${JSON.stringify(ended)}`);
    }
    return ended.error;
  }

  abort({ number }: TestBatch, index: number, reason: AbortReason): void {
    this.post({ kind: "abort", batch: number, index, reason });
  }

  /** Waits until the thread has answered a ping. */
  async answers(withinMs?: number): Promise<void> {
    const ping = this.pong + 1;
    this.post({ kind: "ping", ping });
    await eventually(() => this.pong === ping, withinMs);
  }

  /** Lets a job go on after so many updates. */
  answerReport(batch: number, index: number, count: number): void {
    this.post({ kind: "reported", batch, index, count });
  }

  /** The values of what was reported so far. */
  get updates(): unknown[] {
    return this.reports.flatMap((report) =>
      report.kind === "ended"
        ? []
        : report.updates.map((text) => decodeUpdate(text)!.value)
    );
  }

  post(message: ToThread): void {
    this.#port.postMessage(message);
  }

  #hear(data: FromThread): void {
    switch (data.kind) {
      case "ready":
        return this.#ready.resolve();
      case "fatal":
        this.fatal = data.error.message;
        return this.#ready.resolve();
      case "report": {
        const { batch, index, updates } = data;
        this.reports.push(data);
        if (this.answersReports) {
          this.answerReport(batch, index, updates.length);
        }
        return;
      }
      case "ended": {
        this.reports.push(data);
        const { indices, ids, outcomes, shown } = data.done;
        const all = this.#ended.get(data.batch)!;
        indices.forEach((index, at) =>
          all.push({
            index,
            kind: "done",
            id: ids[at],
            outcome: outcomes[at],
            shown: shown[at],
          })
        );
        all.push(...data.others);
        return;
      }
      case "pong":
        this.pong = data.ping;
        return;
      case "stale":
        this.stale.push(data.module);
        return;
      case "warning":
        this.warnings.push(data.text);
        return;
      case "call":
        this.calls.push(data);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#port.close();
    this.#thread.terminate();
    await Promise.resolve();
  }
}
