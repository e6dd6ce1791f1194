import { sleep } from "../time/sleep.ts";
import {
  type Order,
  parseReport,
  printOrder,
  type Report,
  type WorkerConfig,
} from "./orders.ts";

/** What to spawn as a worker: it reads its orders from stdin. */
export interface WorkerCommand {
  readonly path: string;
  readonly args: readonly string[];
}

/** What a master wants to hear of a worker. */
export interface WorkerEvents {
  report(worker: WorkerProcess, report: Report): void;
  /** A line of its stderr that is no report, without line end. */
  line(text: string): void;
}

/** How a worker ended. */
export interface WorkerExit {
  readonly code: number;
  readonly signal: Deno.Signal | null;
}

/** Longer lines of stderr are passed on in pieces. */
const MAX_LINE_CHARACTERS = 1024 * 1024;
/** What a dead worker wrote is read for so long; its children may live on. */
const LAST_WORDS_MS = 200;

/** One worker: a child process in a session of its own. */
export class WorkerProcess {
  readonly name: string;
  readonly pid: number;
  /** `true` at its `ready` report, `false` if it ended before. */
  readonly ready: Promise<boolean>;
  /** Resolves when it has ended and all its reports were heard. */
  readonly ended: Promise<WorkerExit>;
  readonly #child: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  #hasEnded = false;

  constructor(
    command: WorkerCommand,
    config: WorkerConfig,
    events: WorkerEvents,
  ) {
    this.name = config.name;
    this.#child = new Deno.Command(command.path, {
      args: [...command.args],
      // The DSN has a password: a worker learns it from its first line only.
      clearEnv: true,
      env: environmentWithoutDsn(),
      // Ctrl-C reaches the workers through the master alone.
      detached: true,
      stdin: "piped",
      stdout: "inherit",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#orders = this.#child.stdin.getWriter();
    const ready = Promise.withResolvers<boolean>();
    const read = this.#read(config.nonce, {
      line: events.line,
      report: (worker, report) => {
        if (report.report === "ready") ready.resolve(true);
        events.report(worker, report);
      },
    });
    this.ready = ready.promise;
    this.ended = this.#end(read).finally(() => ready.resolve(false));
    this.order({ order: "start", config });
  }

  /** Sends an order; one that has ended already ignores it. */
  order(order: Order): void {
    this.#orders.write(new TextEncoder().encode(printOrder(order)))
      .catch(() => {});
  }

  /** Ends it at once, unless it has ended by itself. */
  kill(): void {
    if (this.#hasEnded) return;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended a moment ago.
    }
  }

  async #end(read: Promise<void>): Promise<WorkerExit> {
    const { code, signal } = await this.#child.status;
    this.#hasEnded = true;
    this.#orders.abort().catch(() => {});
    const waiting = new AbortController();
    await Promise.race([read, sleep(LAST_WORDS_MS, waiting.signal)]);
    waiting.abort();
    return { code, signal };
  }

  async #read(nonce: string, events: WorkerEvents): Promise<void> {
    const hear = (line: string) => {
      // What a job writes to stderr without a line end comes before a report.
      const at = line.indexOf(nonce);
      const report = at === -1 ? undefined : parseReport(nonce, line.slice(at));
      if (report !== undefined) events.report(this, report);
      const text = report === undefined ? line : line.slice(0, at);
      if (text !== "" || report === undefined) events.line(text);
    };
    let rest = "";
    const decoded = this.#child.stderr.pipeThrough(new TextDecoderStream());
    for await (const chunk of decoded) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      if (rest.length > MAX_LINE_CHARACTERS) {
        lines.push(rest);
        rest = "";
      }
      for (const line of lines) hear(line);
    }
    if (rest !== "") hear(rest);
  }
}

function environmentWithoutDsn(): Record<string, string> {
  const { MQK_DSN: _, ...environment } = Deno.env.toObject();
  return environment;
}
