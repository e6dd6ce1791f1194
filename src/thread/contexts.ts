import { AsyncLocalStorage } from "node:async_hooks";
import type { JobFunction } from "../loader/callable.ts";
import type { RunningJob } from "./running_job.ts";

/** What an asynchronous context says: whose it is. */
interface Owner {
  /** The job that runs in it, or ran on in it; none when all have returned. */
  job: RunningJob | undefined;
  /** The functions that were called in it. */
  readonly called: Set<JobFunction>;
}

/** So often a function is called in a context of its own at first. */
const WARY_CALLS = 100;
/** So many jobs of each turn have their own: all, unless they come in masses. */
const OWN_PER_TURN = 10;

/**
 * Gives each job an asynchronous context, in which code that runs later on
 * behalf of it, and what it lets escape, is known to be its own.
 *
 * A context costs several times what a short job does. So when many run in a
 * turn, functions that return no promise, and that left nothing behind that
 * failed in their first calls, share one: it belongs to the job that is being
 * called, and to nobody afterwards. If such a job returns a promise after all,
 * the context is its own from then on. What else one of them leaves behind is
 * owned by nobody that once; then its function gets contexts of its own again.
 */
export class JobContexts {
  readonly #storage = new AsyncLocalStorage<Owner>();
  /** Calls that are left before a function may share a context. */
  readonly #waryCalls = new WeakMap<JobFunction, number>();
  #shared: Owner = newOwner();
  #calledInTurn = 0;

  /** The job on whose behalf the calling code runs, until it has ended. */
  get current(): RunningJob | undefined {
    const job = this.owner;
    return job?.ended ? undefined : job;
  }

  /** The same, even if that job has ended. */
  get owner(): RunningJob | undefined {
    return this.#storage.getStore()?.job;
  }

  /** Runs one turn; jobs are called within. */
  turn(run: () => void): void {
    this.#shared = newOwner();
    this.#calledInTurn = 0;
    this.#storage.run(this.#shared, run);
  }

  /**
   * Calls a job's function. What can be awaited is returned as a promise;
   * throws what the function throws.
   */
  call(job: RunningJob, found: JobFunction): unknown {
    const wary = this.#waryCalls.get(found) ?? WARY_CALLS;
    return wary > 0 || this.#calledInTurn++ < OWN_PER_TURN
      ? this.#callInOwn(job, found, wary)
      : this.#callInShared(job, found);
  }

  #callInOwn(job: RunningJob, found: JobFunction, wary: number): unknown {
    const owner = newOwner(job, found);
    const { args } = job.message;
    const value = this.#storage.run(owner, callFunction, found, args);
    if (value instanceof Promise) this.#waryCalls.set(found, Infinity);
    else if (wary > 0) this.#waryCalls.set(found, wary - 1);
    return value;
  }

  #callInShared(job: RunningJob, found: JobFunction): unknown {
    const shared = this.#shared;
    shared.called.add(found);
    shared.job = job;
    try {
      const value = callFunction(found, job.message.args);
      if (value instanceof Promise) this.#giveShared(found);
      return value;
    } finally {
      if (shared === this.#shared) shared.job = undefined;
    }
  }

  /** Runs something on behalf of a job that is not called any more. */
  within<T>(job: RunningJob, run: () => T): T {
    return this.#storage.run(newOwner(job), run);
  }

  /** Something escaped from the code that runs: whoever it was is wary again. */
  distrust(): void {
    for (const found of this.#storage.getStore()?.called ?? []) {
      this.#waryCalls.set(found, Infinity);
    }
  }

  /** The context that was shared stays with the job that is being called. */
  #giveShared(found: JobFunction): void {
    this.#waryCalls.set(found, Infinity);
    this.#shared = newOwner();
    this.#storage.enterWith(this.#shared);
  }
}

function newOwner(job?: RunningJob, found?: JobFunction): Owner {
  return { job, called: new Set(found && [found]) };
}

function callFunction(found: JobFunction, args: readonly unknown[]): unknown {
  const value: unknown = Reflect.apply(found.call, found.self, args);
  return isThenable(value) ? Promise.resolve(value) : value;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
