import {
  type Cancellation,
  type Entry,
  type JobStore,
  MAX_BATCH_JOBS,
  type Predecessor,
  type ResultsChanged,
} from "../broker/broker.ts";
import type { StoredSchedule } from "../broker/schedules.ts";
import { ArgumentError, EnqueueUncertainError } from "../errors.ts";
import { isJobId } from "../job/message.ts";
import { errorData } from "../job/outcome.ts";
import { checkName, checkQueueName, checkScheduleName } from "../job/policy.ts";
import type { CallError, FromThread, ToThread } from "../thread/protocol.ts";

type Call = Extract<FromThread, { kind: "call" }>;

/**
 * Serves what job code asks of its worker's broker: to store jobs and
 * schedules and to learn of outcomes and updates, and nothing else. What comes
 * from there is not trusted.
 */
export class JobCalls {
  readonly #store: JobStore;
  readonly #unlock: (batch: number, index: number) => Promise<void>;
  readonly #post: (message: ToThread) => void;
  readonly #watches = new Map<number, Promise<AsyncDisposable>>();

  /**
   * @param unlock Lets the unique key of a job go that is about to start.
   * @param post Sends an answer to the job thread.
   */
  constructor(
    store: JobStore,
    unlock: (batch: number, index: number) => Promise<void>,
    post: (message: ToThread) => void,
  ) {
    this.#store = store;
    this.#unlock = unlock;
    this.#post = post;
  }

  /** Serves one call; never throws. */
  async serve({ call, verb, args }: Call): Promise<void> {
    try {
      const value = await this.#run(verb, args);
      this.#post({ kind: "answer", call, value });
    } catch (error) {
      this.#post({ kind: "refusal", call, error: callError(error) });
    }
  }

  async #run(verb: Call["verb"], args: readonly unknown[]): Promise<unknown> {
    switch (verb) {
      case "enqueue":
        return await this.#store.enqueue(checkEntries(args[0]));
      case "results":
        return await this.#store.results(queueName(args[0]), texts(args[1]));
      case "cancel":
        return await this.#store.cancel(
          queueName(args[0]),
          checkCancellations(args[1]),
        );
      case "unlock":
        return await this.#unlock(Number(args[0]), Number(args[1]));
      case "watch":
        return await this.#watch(
          args[2],
          (changed) =>
            this.#store.watchResults(
              queueName(args[0]),
              text(args[1]),
              changed,
            ),
        );
      case "read_updates": {
        const [queue, id, position, limit] = args;
        return await this.#store.updates.read(
          queueName(queue),
          jobId(id),
          position === undefined ? undefined : text(position),
          Math.min(Number(limit) || 1, MAX_BATCH_JOBS),
        );
      }
      case "watch_updates":
        return await this.#watch(
          args[2],
          (changed) =>
            this.#store.updates.watch(
              queueName(args[0]),
              jobId(args[1]),
              changed,
            ),
        );
      case "unwatch": {
        const watch = Number(args[0]);
        const opening = this.#watches.get(watch);
        this.#watches.delete(watch);
        await (await opening)?.[Symbol.asyncDispose]();
        return undefined;
      }
      case "schedules":
        return await this.#runSchedules(args);
    }
  }

  async #runSchedules(
    [verb, first, second]: readonly unknown[],
  ): Promise<unknown> {
    const { schedules } = this.#store;
    switch (verb) {
      case "find":
        return await schedules.find(queueName(first), scheduleName(second));
      case "define":
        return await schedules.define(checkSchedule(first));
      case "list":
        return await schedules.list(
          first === undefined ? undefined : queueName(first),
        );
      case "pause":
        return await schedules.pause(queueName(first), scheduleName(second));
      case "resume":
        return await schedules.resume(checkSchedule(first), Number(second));
      case "remove":
        return await schedules.remove(queueName(first), scheduleName(second));
    }
  }

  async #watch(
    number: unknown,
    open: (changed: ResultsChanged) => Promise<AsyncDisposable>,
  ): Promise<void> {
    const watch = Number(number);
    const opening = open((numbers, outcomes) =>
      this.#post({ kind: "changed", watch, numbers, outcomes })
    );
    this.#watches.set(watch, opening);
    await opening;
  }
}

function callError(error: unknown): CallError {
  const data = errorData(error);
  if (!(error instanceof EnqueueUncertainError)) return data;
  return { ...data, confirmed: error.confirmed, uncertain: error.uncertain };
}

function checkEntries(value: unknown): Entry[] {
  if (!Array.isArray(value)) throw new ArgumentError("Cannot send: no list");
  for (const entry of value as Entry[]) {
    const { id, queue, message, idempotencyKey, unique, group, after } = entry;
    checkQueueName(queue);
    text(id);
    text(message);
    if (idempotencyKey !== undefined) {
      checkName(idempotencyKey, "idempotency key");
    }
    if (unique !== undefined) checkName(unique?.key, "unique key");
    if (group !== undefined) checkName(group, "group");
    if (after !== undefined) after.forEach(checkPredecessor);
  }
  return value;
}

function checkPredecessor({ queue, id }: Predecessor): void {
  checkQueueName(queue);
  jobId(id);
}

function checkCancellations(value: unknown): Cancellation[] {
  if (!Array.isArray(value)) throw new ArgumentError("Cannot cancel: no list");
  return value.map(({ id, dueMs, outcome }) => ({
    id: jobId(id),
    dueMs: Number(dueMs),
    ...(outcome !== undefined && { outcome: text(outcome) }),
  }));
}

function queueName(value: unknown): string {
  checkQueueName(value as string);
  return value as string;
}

function scheduleName(value: unknown): string {
  checkScheduleName(value as string);
  return value as string;
}

function checkSchedule(value: unknown): StoredSchedule {
  const { queue, name, definition, nextMs } = Object(value);
  return {
    queue: queueName(queue),
    name: scheduleName(name),
    definition: text(definition),
    nextMs: Number(nextMs),
  };
}

function texts(value: unknown): string[] {
  if (!Array.isArray(value)) throw new ArgumentError("Cannot look up: no list");
  return value.map(text);
}

function jobId(value: unknown): string {
  if (!isJobId(value)) throw new ArgumentError("Cannot look up: no job id");
  return value;
}

function text(value: unknown): string {
  if (typeof value !== "string") {
    throw new ArgumentError(`Cannot use ${typeof value}: it must be text`);
  }
  return value;
}
