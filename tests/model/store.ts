import type { Broker, ReserveOnWake } from "../../src/broker/broker.ts";
import type { Line } from "./line.ts";

/** How one worker speaks with its store. */
export interface Connections {
  readonly broker: Broker;
  readonly line: Line;
  readonly waits: Line;
  /** Waits for a queue; answers whether something may be there to reserve. */
  wake(queue: string, onWake: ReserveOnWake): Promise<boolean>;
}

/** All that a store has of one run, at one moment. */
export interface Look {
  /** Jobs that nobody holds, and where they wait. */
  readonly waiting: readonly {
    queue: string;
    place: string;
    message: string;
  }[];
  readonly held: readonly {
    queue: string;
    worker: string;
    token: string;
    message: string;
  }[];
  /** Entries of the failed set. */
  readonly failed: readonly { queue: string; entry: string }[];
  /** `queue worker`: has a place there, and whether it is that of a dead one. */
  readonly places: ReadonlyMap<string, "living" | "dead">;
}

/** A broker's real store, with the queues of one run of the model. */
export interface Store {
  readonly queues: readonly string[];
  /** The store's own clock, in milliseconds since 1970. */
  clockMs: number;
  /** The real broker, as one process has it; its commands go over `line`. */
  broker(line: Line): Broker;
  /** All that is there; held keys only of these workers. */
  look(workers: readonly string[]): Promise<Look>;
  /** What a worker holds under a token, by the store's account. */
  holds(queue: string, worker: string, token: string): Promise<string | null>;
  /** Ticks since a worker's last renewal; `undefined`: it has no living place. */
  age(queue: string, worker: string): Promise<number | undefined>;
  /** A program without this library stores a message. */
  push(line: Line, queue: string, message: string): Promise<unknown>;
  /**
   * A wait that an answer woke, though nobody may hear of it. Answers whether
   * something may be there to reserve.
   */
  wake(line: Line, queue: string, onWake?: ReserveOnWake): Promise<boolean>;
  /** The store has no memory left, or enough again. */
  limitMemory(full: boolean): Promise<void>;
  /** What is left of workers in the store, besides their places. */
  leftovers(): Promise<string[]>;
  /** Removes all of this run. */
  clean(): Promise<void>;
}

/** Names of the queues of a run: nobody shares them. */
export function namesOf(seed: number, queues: number): string[] {
  return Array.from({ length: queues }, (_, i) => `m${seed}.${i}`);
}
