/**
 * The messages between a worker's main thread and its job thread. They pass
 * over a private `MessagePort`, which job code can't reach.
 *
 * @module
 */
import type { ErrorData } from "../job/outcome.ts";
import type { Ties } from "../job/ties.ts";
import type { Sandbox } from "../master/orders.ts";

/** A slot of the claim table: one `Int32` per job of a batch. */
export const Slot = {
  /** Not started: whoever swaps it first has the job. */
  waiting: 0,
  /** Taken back by the main thread; the job thread must not run it. */
  taken: 1,
  /** Claimed by the job thread, which loads its module: not on the ttl. */
  loading: 2,
  /** The function was called. */
  running: 3,
  /** Over; its outcome is on its way to the main thread. */
  ended: 4,
} as const;

/** What job code may import and how much of it runs at once. */
export interface ThreadOptions {
  /** The name of the worker, as operators know it. */
  readonly worker?: string;
  /** Absolute path; job modules lie below it. */
  readonly root: string;
  /** Modules named on `mqk run`, as given. */
  readonly modules: readonly string[];
  /** Modules whose default exports run around every job, outermost first. */
  readonly use: readonly string[];
  /** URLs under which remote modules are allowed. */
  readonly allowImport: readonly string[];
  /** The root, links resolved: job code may not be able to ask for it. */
  readonly realRoot?: string;
  /** None: job code may do what the process may. */
  readonly sandbox?: Sandbox;
  /** Remote modules that were kept before this moment are fetched again. */
  readonly reloadBeforeMs?: number;
  /** Asynchronous jobs at once. */
  readonly concurrency: number;
  /** At most once: a failure is never retried. */
  readonly fast: boolean;
  /** -1 quiet, 0 default, 1 to 3: which results are wanted for the log. */
  readonly verbosity: number;
}

/** Why the signal of a job aborts. */
export type AbortReason = "ttl" | "shutdown" | "lease" | "cancel";

/** From the main thread to the job thread. */
export type ToThread =
  /** The first message, posted to the Web Worker itself; the port is for all others. */
  | {
    readonly kind: "start";
    readonly options: ThreadOptions;
    /**
     * Two `Float64`: after these moments, by `Date.now()` and by the thread's
     * own `performance.now()`, no job may be claimed. The main thread moves
     * them, and takes back what has not started.
     */
    readonly lease: SharedArrayBuffer;
    readonly port: MessagePort;
  }
  | {
    readonly kind: "batch";
    readonly batch: number;
    readonly queue: string;
    readonly messages: readonly string[];
    /** As many slots as messages, all `waiting`. */
    readonly slots: SharedArrayBuffer;
  }
  | {
    readonly kind: "abort";
    readonly batch: number;
    readonly index: number;
    readonly reason: AbortReason;
  }
  | { readonly kind: "ping"; readonly ping: number }
  /** Further jobs that are not to be started; `anew`: others may be forgotten. */
  | {
    readonly kind: "cancelled";
    readonly ids: readonly string[];
    readonly anew: boolean;
  }
  /** So many updates of a job, the oldest, need not be waited for any more. */
  | {
    readonly kind: "reported";
    readonly batch: number;
    readonly index: number;
    readonly count: number;
  }
  /** Answer to a `call`. */
  | { readonly kind: "answer"; readonly call: number; readonly value: unknown }
  | {
    readonly kind: "refusal";
    readonly call: number;
    readonly error: CallError;
  }
  /** Outcomes of a watched producer, or updates of a job, were stored. */
  | {
    readonly kind: "changed";
    readonly watch: number;
    readonly numbers?: readonly number[];
    readonly outcomes?: readonly string[];
  };

/** From the job thread to the main thread. */
export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "fatal"; readonly error: ErrorData }
  | {
    readonly kind: "ended";
    readonly batch: number;
    readonly done: DoneJobs;
    /** Those that ended in any other way. */
    readonly others: readonly EndedOtherwise[];
    readonly ran: RunTimeSample;
  }
  | {
    readonly kind: "pong";
    readonly ping: number;
    /** The thread's own `performance.now()`. */
    readonly steadyMs: number;
  }
  /** Updates of a job, to be stored before its outcome is. */
  | {
    readonly kind: "report";
    readonly batch: number;
    readonly index: number;
    readonly id: string;
    readonly updates: readonly string[];
  }
  /** A module could not be loaded: only a new process can try again. */
  | { readonly kind: "stale"; readonly module: string }
  /** In the compiled program: start what makes modules ready, over this port. */
  | { readonly kind: "modules"; readonly port: MessagePort }
  /** A line for the log, e.g. a rejection that no job owns. */
  | { readonly kind: "warning"; readonly text: string }
  | {
    readonly kind: "call";
    readonly call: number;
    readonly verb: CallVerb;
    readonly args: readonly unknown[];
  };

/** The verbs of `JobStore` that job code may use, and `unlock`. */
export type CallVerb =
  | "enqueue"
  | "results"
  | "watch"
  | "read_updates"
  | "watch_updates"
  | "unwatch"
  | "cancel"
  | "unlock"
  /** The first argument is a verb of `ScheduleStore`. */
  | "schedules";

/** An error of the library that must arrive as itself on the other side. */
export interface CallError extends ErrorData {
  readonly confirmed?: readonly string[];
  readonly uncertain?: readonly string[];
}

/**
 * Jobs that are done, as most are. Lists side by side: to clone them takes a
 * fifth of the time that a list of objects does.
 */
export interface DoneJobs {
  readonly indices: readonly number[];
  /** `undefined`, with `outcomes`: it is not wanted, or there is no id. */
  readonly ids: readonly (string | undefined)[];
  readonly outcomes: readonly (string | undefined)[];
  /** What to print as the result; shorter than the others, or with holes. */
  readonly shown: readonly (string | undefined)[];
}

/** How long jobs ran, in milliseconds: all of a short batch, some of a long one. */
export interface RunTimeSample {
  readonly milliseconds: readonly number[];
  /** So many jobs each of them stands for. */
  readonly each: number;
}

/**
 * How an attempt ended, ready to be settled: the job thread has read the
 * message, so the main thread need not.
 */
export type Ended =
  | {
    readonly index: number;
    readonly kind: "done";
    readonly id?: string;
    readonly outcome?: string;
    /** What to print after "Job finished and result is"; few have it. */
    readonly shown?: string;
    readonly ties?: Ties;
  }
  | EndedOtherwise;

/** How an attempt ended that is not done, or of a job that is tied to something. */
export type EndedOtherwise =
  | {
    readonly index: number;
    readonly kind: "done";
    readonly id?: string;
    readonly outcome?: string;
    readonly shown?: string;
    readonly ties: Ties;
  }
  /** It was cancelled: not run, or stopped. */
  | { readonly index: number; readonly kind: "cancelled"; readonly id: string }
  | {
    readonly index: number;
    readonly kind: "retry";
    readonly ties?: Ties;
    /** The message with its next attempt. */
    readonly message: string;
    readonly delayMs: number;
    readonly id: string;
    readonly error: ErrorData;
  }
  | {
    readonly index: number;
    readonly kind: "failed";
    readonly entry: string;
    readonly id?: string;
    readonly outcome?: string;
    readonly ties?: Ties;
    readonly error: ErrorData;
  }
  /** Ended by an abort for shutdown or a lost lease: hand it back uncharged. */
  | { readonly index: number; readonly kind: "released" }
  /** Of an unknown version: put back unchanged for 30 s. */
  | { readonly index: number; readonly kind: "postponed" };
