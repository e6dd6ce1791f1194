import type { Broker } from "../../../src/broker/broker.ts";
import type { Inspector } from "../../../src/broker/inspector.ts";

/** Lower limits than those of the program, so that tests can reach them. */
export interface TestLimits {
  readonly results?: number;
  readonly resultBytes?: number;
  readonly failed?: number;
  readonly updates?: number;
  readonly updateAgeMs?: number;
  readonly messageBytes?: number;
}

/** A store that the test has for itself, with a clock that it turns. */
export interface Store extends AsyncDisposable {
  readonly broker: Broker;
  readonly inspector: Inspector;
  /** Another connection to the same store, closed with it. */
  second(): Promise<Broker>;
  /** The store's clock, in milliseconds since 1970: it stands still. */
  nowMs(): number;
  /** Turns the store's clock, forward or back. */
  advance(ms: number): Promise<void>;
  /**
   * Makes the queue look as if a program of that version had written it; left
   * out where no other program can write.
   */
  setSchema?(queue: string, version: number): Promise<void>;
}

/** Opens a store in which no queue of this test exists. */
export type OpenStore = (limits: TestLimits) => Promise<Store>;
