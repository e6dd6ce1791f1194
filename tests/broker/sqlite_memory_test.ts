import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";
import { MEMORY } from "../../src/broker/sqlite/schema.ts";
import type { OpenStore } from "./conformance/store.ts";
import { exercise } from "./conformance/suite.ts";

const openStore: OpenStore = async (limits) => {
  let now = Date.now();
  const broker = await SqliteBroker.open(
    { kind: "sqlite", path: MEMORY },
    { limits, clock: () => now },
  );
  return {
    broker,
    inspector: broker.inspector(),
    // There is no other connection to a memory.
    second: () => Promise.resolve(broker),
    nowMs: () => now,
    advance(ms) {
      now += ms;
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
};

exercise("sqlite in memory", openStore);
