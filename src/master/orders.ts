/**
 * The lines between a master and its workers: orders on a worker's stdin,
 * reports on its stderr, each behind a nonce that only the two know.
 *
 * @module
 */

/** What job code may do: all of it, none, or what a list names. */
export type Allowed = boolean | readonly string[];

/** What a sandbox opens for job code, with the runtime's own meaning. */
export interface JobPermissions {
  readonly env: Allowed;
  readonly ffi: Allowed;
  readonly net: Allowed;
  /** Beside what lies below the root. */
  readonly read: Allowed;
  readonly run: Allowed;
  readonly sys: Allowed;
  readonly write: Allowed;
}

/** What job code in a sandbox may do. */
export interface Sandbox {
  readonly permissions: JobPermissions;
  /** Absolute paths that it may read and import; `true`: all. */
  readonly readable: true | readonly string[];
  /**
   * The file of the queues, or its folder, if it lies below the root: what
   * lies beside it is readable if it was there when the worker started.
   */
  readonly hidden?: string;
}

/** The first line on a worker's stdin. */
export interface WorkerConfig {
  /** Marks the lines of stderr that are reports. */
  readonly nonce: string;
  /** Name of this worker; never used before. */
  readonly name: string;
  /** The worker it replaces, whose jobs it recovers first. */
  readonly predecessor?: string;
  /** With its password. */
  readonly dsn: string;
  readonly queues: readonly string[];
  /** By queue: how often it is asked first; left out: in strict order. */
  readonly weights?: Readonly<Record<string, number>>;
  readonly root: string;
  readonly modules: readonly string[];
  /** Modules whose default exports run around every job, outermost first. */
  readonly use: readonly string[];
  readonly allowImport: readonly string[];
  /** None: job code is in no sandbox and may do what the process may. */
  readonly permissions?: JobPermissions;
  /** Remote modules that were kept before this moment are fetched again. */
  readonly reloadBeforeMs?: number;
  /** Megabytes that jobs may use in this process. */
  readonly maxMemoryMb?: number;
  /** After so many jobs it asks for a successor. */
  readonly maxJobs?: number;
  readonly concurrency: number;
  readonly fast: boolean;
  readonly burst: boolean;
  /** The one worker of this master that also does what one is enough for. */
  readonly first: boolean;
  readonly shutdownTimeoutMs: number;
  /** -1 quiet, 0 default, 1 to 3: `-v` to `-vvv`. */
  readonly verbosity: number;
  readonly logFormat: "text" | "json";
  /** The master wants to hear numbers. */
  readonly numbers?: boolean;
}

/** From the master to a worker. */
export type Order =
  | { readonly order: "start"; readonly config: WorkerConfig }
  /** Stop reserving, hand back what has not started, end within the timeout. */
  | { readonly order: "stop" }
  /** Its successor is ready: let what runs end, however long, then end. */
  | { readonly order: "retire" }
  /** Hand back everything and end now. */
  | { readonly order: "quit" }
  /** It may drain for a suspect: no other worker of this master does. */
  | { readonly order: "drain" }
  /** A worker has died: put back what it held. Its successor does so too. */
  | { readonly order: "recover"; readonly worker: string };

/** From a worker to the master. */
export type Report =
  /** It has its broker and its job thread, and serves. */
  | { readonly report: "ready" }
  /** Nothing in flight; in burst mode with the jobs that must be awaited. */
  | { readonly report: "idle"; readonly waiting: number }
  | { readonly report: "busy" }
  /** A job of this worker went to the failed set, or failed in fast mode. */
  | { readonly report: "failed" }
  /** It has known of a suspect for 30 s and asks to drain for it. */
  | { readonly report: "suspect" }
  /** It has run as many jobs as one worker may, and serves on for now. */
  | { readonly report: "worn" }
  /** Once a second, if they are wanted. */
  | ({ readonly report: "numbers" } & WorkerNumbers)
  /** It ends on purpose and wants a fresh process in its place. */
  | { readonly report: "replace"; readonly reason: string }
  /** It can't work at all: one line for the user, and the exit code. */
  | {
    readonly report: "fatal";
    readonly line: string;
    readonly exitCode: 1 | 2;
  };

/** How it stands with a worker, and what happened since it last said so. */
export interface WorkerNumbers {
  /** Jobs that it has reserved and not started, and those that run. */
  readonly waiting: number;
  readonly running: number;
  /** Of its oldest lease; 0: it holds nothing. */
  readonly leaseAgeMs: number;
  /** A lease is so old that no job starts. */
  readonly inDoubt: boolean;
  /** How long ago the broker last answered a heartbeat. */
  readonly brokerSilentMs: number;
  readonly queues: Readonly<Record<string, QueueCounts>>;
}

/** What happened to jobs of a queue. */
export interface QueueCounts {
  readonly ended: Readonly<Partial<Record<JobEnd, number>>>;
  /** How many ran how long, see `time/run_time_bounds.ts`, and all together. */
  readonly ran: readonly number[];
  readonly ranMs: number;
}

/** How a job left a worker. */
export type JobEnd = "done" | "failed" | "retried" | "cancelled" | "released";

/** An order as a line. */
export function printOrder(order: Order): string {
  return JSON.stringify(order) + "\n";
}

/** Reads a line of stdin. */
export function parseOrder(line: string): Order {
  return JSON.parse(line);
}

/** A report as a line. */
export function printReport(nonce: string, report: Report): string {
  return `${nonce}${JSON.stringify(report)}\n`;
}

/** Reads a line of stderr; nothing if it is not a report. */
export function parseReport(nonce: string, line: string): Report | undefined {
  return line.startsWith(nonce)
    ? JSON.parse(line.slice(nonce.length))
    : undefined;
}
