import type { Flight } from "../../src/worker/flight.ts";
import type { Ledger } from "./ledger.ts";
import type { ModelWorker } from "./model_worker.ts";
import type { Amendment } from "./mutations.ts";
import type { Random } from "./random.ts";

/** How a process ended; early: before all was answered. */
export type End = "died" | "left" | "left early" | "fenced";

/** How a master starts a worker. */
export interface WorkerPlan {
  /** In strict order. */
  readonly queues: readonly string[];
  readonly fast: boolean;
  /** Whose place it takes. */
  readonly predecessor?: string;
}

/** What a process of the model has around it. */
export interface Surroundings {
  readonly random: Random;
  readonly ledger: Ledger;
  /** Without faults: nothing is done at random that delays the end. */
  readonly calm: boolean;
  /** Amendment of the protocol that this run does without. */
  readonly without?: Amendment;
  /** True time in milliseconds; clocks differ from it. */
  nowMs(): number;
  trace(text: string): void;
  /** Something happened in a process that must not. */
  failed(error: unknown): void;
  /** By the store's account this worker has the job that it starts. */
  checkStart(worker: string, flight: Flight, index: number): Promise<void>;
  ended(worker: ModelWorker, how: End): void;
}
