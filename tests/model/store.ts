import type { Broker } from "../../src/broker/broker.ts";
import type { Line } from "./line.ts";

/** All that a store has of one queue, at one moment. */
export interface Look {
  /** Jobs that nobody holds, and where they wait. */
  readonly waiting: readonly { place: string; message: string }[];
  readonly held: readonly { worker: string; token: string; message: string }[];
  /** Entries of the failed set. */
  readonly failed: readonly string[];
  /** Workers that have a place, and whether it is that of a dead one. */
  readonly places: ReadonlyMap<string, "living" | "dead">;
}

/** A broker's real store, with one queue for one run of the model. */
export interface Store {
  readonly queue: string;
  /** A command may be lost, late, or run twice. */
  readonly hasNetwork: boolean;
  /** The store's own clock, in milliseconds since 1970. */
  clockMs: number;
  /** The real broker, as one process has it; its commands go over `line`. */
  broker(line: Line): Broker;
  /** All that is there; held keys only of these workers. */
  look(workers: readonly string[]): Promise<Look>;
  /** What a worker holds under a token, by the store's account. */
  holds(worker: string, token: string): Promise<string | null>;
  /** A program without this library stores a message. */
  push(line: Line, message: string): Promise<unknown>;
  /** A wait that an answer woke, though nobody may hear of it. */
  wake(line: Line): Promise<unknown>;
  /** The store has no memory left, or enough again. */
  limitMemory(full: boolean): Promise<void>;
  /** What is left of workers in the store, besides their places. */
  leftovers(): Promise<string[]>;
  /** Removes all of this run. */
  clean(): Promise<void>;
}
