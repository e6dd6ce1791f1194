import type { Report } from "./orders.ts";

/** Is told what becomes of the workers of a master. */
export interface WorkerObserver {
  /** A worker process was started. */
  started(name: string): void;
  /** A worker said something. */
  reported(name: string, report: Report): void;
  /** A worker process has ended; or it was expected to. */
  ended(name: string, expected: boolean): void;
}

/** A worker that is to be kept alive. */
export interface WorkerState {
  /** Missing while there is no process. */
  readonly worker?: { readonly name: string; readonly pid: number };
  readonly ready: boolean;
  /** It was told to end, and nobody takes its place. */
  readonly leaving: boolean;
  /** It starts to take the place of another one, which still serves. */
  readonly succeeds: boolean;
}
