import type {
  AbortReason,
  Ended,
  FromThread,
  RunTimeSample,
  ToThread,
} from "../thread/protocol.ts";
import type { Flight } from "./flight.ts";
import type { Lease } from "./lease.ts";
import type { LoadingThread } from "./loading_thread.ts";
import { startModuleThread } from "./module_thread.ts";
import { endedOf } from "./outcomes.ts";

/** What a worker does about what its job thread says. */
export interface JobThreadEvents {
  ended(batch: number, jobs: readonly Ended[], ran: RunTimeSample): void;
  call(message: Extract<FromThread, { kind: "call" }>): void;
  report(message: Extract<FromThread, { kind: "report" }>): void;
  /** A module could not be loaded; only a new process can try again. */
  stale(module: string): void;
  warning(text: string): void;
  /** The thread is of no use any more. */
  died(reason: string): void;
}

/** Starting takes this long at most, on a machine that is very busy. */
const START_WITHIN_MS = 60_000;
/** So much may be unknown of what the other thread's clock shows. */
const CLOCKS_WITHIN_MS = 200;

/** The handle on the Web Worker that runs this process's jobs. */
export class JobThread {
  readonly #thread: globalThis.Worker;
  readonly #port: MessagePort;
  #ping = 0;
  #pong = 0;
  #clocksAgree = false;

  private constructor(thread: globalThis.Worker, port: MessagePort) {
    this.#thread = thread;
    this.#port = port;
  }

  /** Starts the thread; resolves when it is ready for jobs. */
  static async start(
    { thread, options, folders, death }: LoadingThread,
    lease: Lease,
    events: JobThreadEvents,
  ): Promise<JobThread> {
    const { port1, port2 } = new MessageChannel();
    const self = new JobThread(thread, port1);
    const ready = Promise.withResolvers<void>();
    let askedAtMs = 0;
    const compareClocks = () => {
      askedAtMs = performance.now();
      self.ping();
    };
    const timer = setTimeout(
      () => ready.reject(new Error("The job thread did not start in 60 s")),
      START_WITHIN_MS,
    );
    death.catch((error) => {
      ready.reject(error);
      events.died(error.message);
    });
    port1.onmessage = ({ data }: MessageEvent<FromThread>) => {
      switch (data.kind) {
        case "ready":
          return compareClocks();
        case "fatal":
          return ready.reject(new Error(data.error.message));
        case "ended":
          return events.ended(data.batch, endedOf(data), data.ran);
        case "pong":
          self.#pong = data.ping;
          if (self.#clocksAgree) return;
          // Asked again until the answer was quick: only then it says much.
          if (performance.now() - askedAtMs > CLOCKS_WITHIN_MS) {
            return compareClocks();
          }
          self.#clocksAgree = true;
          lease.threadIsBehind(performance.now() - data.steadyMs);
          return ready.resolve();
        case "stale":
          return events.stale(data.module);
        case "warning":
          return events.warning(data.text);
        case "call":
          return events.call(data);
        case "report":
          return events.report(data);
        case "modules":
          return startModuleThread(
            options,
            folders!,
            data.port,
            (reason) => events.died(`its module thread died: ${reason}`),
          );
      }
    };
    thread.postMessage(
      {
        kind: "start",
        options,
        lease: lease.shared,
        port: port2,
      } satisfies ToThread,
      [port2],
    );
    try {
      await ready.promise;
    } finally {
      clearTimeout(timer);
    }
    return self;
  }

  /** Hands a batch over. */
  dispatch(flight: Flight): void {
    this.post({
      kind: "batch",
      batch: flight.number,
      queue: flight.queue,
      messages: flight.messages,
      slots: flight.buffer,
    });
  }

  /** Aborts the signal of a job. */
  abort(flight: Flight, index: number, reason: AbortReason): void {
    this.post({ kind: "abort", batch: flight.number, index, reason });
  }

  /** Asks whether the thread still answers; the number is for `answered`. */
  ping(): number {
    this.post({ kind: "ping", ping: ++this.#ping });
    return this.#ping;
  }

  /** Whether the thread has answered that ping. */
  answered(ping: number): boolean {
    return this.#pong >= ping;
  }

  /** Sends any other message. */
  post(message: ToThread): void {
    this.#port.postMessage(message);
  }
}
