import {
  ArgumentError,
  BrokerError,
  EnqueueUncertainError,
} from "../errors.ts";
import type { JobContext } from "../job_context.ts";
import type { CallError, CallVerb, FromThread, ToThread } from "./protocol.ts";

type JobStore = JobContext["store"];
type UpdatesPage = Awaited<ReturnType<JobStore["updates"]["read"]>>;
type Schedules = JobStore["schedules"];
type Changed = Parameters<JobStore["watchResults"]>[2];

/** The worker's broker for job code: calls over a port to the main thread. */
export class PortJobStore implements JobStore {
  readonly updates: JobStore["updates"] = {
    read: async (...args) =>
      await this.#call("read_updates", args) as UpdatesPage,
    watch: (queue, id, changed) =>
      this.#watch("watch_updates", queue, id, () => changed()),
  };
  readonly schedules: Schedules = {
    find: (...args) => this.#schedules("find", args),
    define: (...args) => this.#schedules("define", args),
    list: (...args) => this.#schedules("list", args),
    pause: (...args) => this.#schedules("pause", args),
    resume: (...args) => this.#schedules("resume", args),
    remove: (...args) => this.#schedules("remove", args),
  };
  readonly #post: (message: FromThread) => void;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #watches = new Map<number, Changed>();
  #lastCall = 0;
  #lastWatch = 0;

  /** @param post Sends a call to the main thread. */
  constructor(post: (message: FromThread) => void) {
    this.#post = post;
  }

  async enqueue(entries: Parameters<JobStore["enqueue"]>[0]): Promise<
    string[]
  > {
    return await this.#call("enqueue", [entries]) as string[];
  }

  async results(
    queue: string,
    ids: readonly string[],
  ): Promise<(string | null)[]> {
    return await this.#call("results", [queue, ids]) as (string | null)[];
  }

  async cancel(
    queue: string,
    jobs: Parameters<JobStore["cancel"]>[1],
  ): Promise<boolean[]> {
    return await this.#call("cancel", [queue, jobs]) as boolean[];
  }

  /** A job is about to start that has its unique key only until then. */
  async unlock(batch: number, index: number): Promise<void> {
    await this.#call("unlock", [batch, index]);
  }

  watchResults(
    queue: string,
    producer: string,
    changed: Changed,
  ): Promise<AsyncDisposable> {
    return this.#watch("watch", queue, producer, changed);
  }

  /** The main thread answers a call. */
  answered({ call, value }: Extract<ToThread, { kind: "answer" }>): void {
    this.#calls.get(call)?.resolve(value);
    this.#calls.delete(call);
  }

  /** The main thread refuses a call. */
  refused({ call, error }: Extract<ToThread, { kind: "refusal" }>): void {
    this.#calls.get(call)?.reject(errorOf(error));
    this.#calls.delete(call);
  }

  /** Outcomes of a watched producer, or updates of a job, were stored. */
  changed(
    { watch, numbers, outcomes }: Extract<ToThread, { kind: "changed" }>,
  ): void {
    this.#watches.get(watch)?.(numbers, outcomes);
  }

  async #watch(
    verb: CallVerb,
    queue: string,
    whose: string,
    changed: Changed,
  ): Promise<AsyncDisposable> {
    const watch = ++this.#lastWatch;
    this.#watches.set(watch, changed);
    try {
      await this.#call(verb, [queue, whose, watch]);
    } catch (error) {
      this.#watches.delete(watch);
      throw error;
    }
    return {
      [Symbol.asyncDispose]: async () => {
        if (this.#watches.delete(watch)) await this.#call("unwatch", [watch]);
      },
    };
  }

  #schedules<V extends keyof Schedules>(
    verb: V,
    args: Parameters<Schedules[V]>,
  ): ReturnType<Schedules[V]> {
    return this.#call("schedules", [verb, ...args]) as ReturnType<Schedules[V]>;
  }

  #call(verb: CallVerb, args: readonly unknown[]): Promise<unknown> {
    const call = ++this.#lastCall;
    const waiting = Promise.withResolvers<unknown>();
    this.#post({ kind: "call", call, verb, args });
    this.#calls.set(call, waiting);
    return waiting.promise;
  }
}

/** An error of the library as itself, any other as an error of its name. */
function errorOf(data: CallError): Error {
  const { name, message, confirmed = [], uncertain = [] } = data;
  switch (name) {
    case "ArgumentError":
      return new ArgumentError(message);
    case "BrokerError":
      return new BrokerError(message);
    case "EnqueueUncertainError":
      return new EnqueueUncertainError(message, { confirmed, uncertain });
    default:
      return Object.assign(new Error(message), { name });
  }
}
