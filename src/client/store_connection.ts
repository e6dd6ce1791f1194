import type { Broker, JobStore } from "../broker/broker.ts";
import type { QueueControl } from "../broker/control.ts";
import { type Dsn, printDsn } from "../broker/dsn.ts";
import { hidePassword } from "../hide_password.ts";
import { openBroker } from "../broker/open.ts";
import { BrokerError } from "../errors.ts";
import { brokerLog } from "../log.ts";

/** Where a client stores its jobs. */
export interface StoreConnection {
  /**
   * The open store.
   *
   * @throws {BrokerError} If it can't be opened, or was closed.
   */
  store(): Promise<JobStore>;
  /**
   * What sets how queues are served.
   *
   * @throws {BrokerError} As `store`, or if this client may not.
   */
  control(): Promise<QueueControl>;
  /** The time, in milliseconds since 1970. */
  now(): number;
  /** Closes what it opened. */
  close(): Promise<void>;
}

/** A broker that is opened by the first call that needs it. */
export class BrokerConnection implements StoreConnection {
  readonly #dsn: Dsn;
  #opening: Promise<Broker> | undefined;
  #closed = false;

  constructor(dsn: Dsn) {
    this.#dsn = dsn;
  }

  now(): number {
    return Date.now();
  }

  store(): Promise<JobStore> {
    return this.#open();
  }

  async control(): Promise<QueueControl> {
    return (await this.#open()).control;
  }

  async #open(): Promise<Broker> {
    if (this.#closed) throw closed();
    this.#opening ??= open(this.#dsn);
    try {
      return await this.#opening;
    } catch (error) {
      // The next call tries again.
      this.#opening = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const broker = await this.#opening?.catch(() => undefined);
    await broker?.[Symbol.asyncDispose]();
  }
}

/** A store that belongs to somebody else, who also closes it. */
export class BorrowedStore implements StoreConnection {
  readonly now: () => number;
  readonly #store: JobStore;
  readonly #control: (() => Promise<QueueControl>) | undefined;
  #closed = false;

  /** @param control Left out: queues can't be set from here. */
  constructor(
    store: JobStore,
    now: () => number = Date.now,
    control?: () => Promise<QueueControl>,
  ) {
    this.#store = store;
    this.now = now;
    this.#control = control;
  }

  store(): Promise<JobStore> {
    return this.#closed
      ? Promise.reject(closed())
      : Promise.resolve(this.#store);
  }

  control(): Promise<QueueControl> {
    if (this.#control !== undefined) return this.#control();
    return Promise.reject(
      new BrokerError(
        "Cannot change how a queue is served from inside a job: " +
          "use a client with a DSN",
      ),
    );
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }
}

function closed(): Error {
  return new BrokerError("Cannot reach the broker: the client was closed");
}

async function open(dsn: Dsn): Promise<Broker> {
  const broker = await openBroker(dsn, { role: "client" });
  brokerLog.info("Jobs are in {dsn}", { dsn: hidePassword(printDsn(dsn)) });
  logWarnings(broker);
  return broker;
}

async function logWarnings(broker: Broker): Promise<void> {
  try {
    for (const text of await broker.warnings()) {
      brokerLog.warn("{text}", { text });
    }
  } catch (error) {
    brokerLog.debug("warnings: {error}", { error });
  }
}
