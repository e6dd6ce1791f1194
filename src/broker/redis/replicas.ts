import { BrokerUnavailableError } from "../broker.ts";
import type { Connection } from "./connection.ts";
import { ReplyError } from "./errors.ts";

/** How long replicas may take, below the deadline of a command. */
const REPLICAS_WITHIN_MS = 4_000;

/** A connection whose writes count only when so many replicas have them. */
export class ReplicatedConnection implements Connection {
  readonly #connection: Connection;
  readonly #replicas: number;

  constructor(connection: Connection, replicas: number) {
    this.#connection = connection;
    this.#replicas = replicas;
  }

  /**
   * As {@linkcode Connection.call}.
   *
   * @throws {BrokerUnavailableError} Also if too few replicas have it in time.
   */
  async call(
    key: string | undefined,
    args: readonly string[],
  ): Promise<unknown> {
    // Right behind it: WAIT counts what this connection wrote before.
    const [reply, reached] = await this.#connection.callAll(key, [args, [
      "WAIT",
      String(this.#replicas),
      String(REPLICAS_WITHIN_MS),
    ]]).catch((error) => {
      // What came before it has been done, so this is no refusal.
      throw error instanceof ReplyError && error.command === "WAIT"
        ? new BrokerUnavailableError(
          `Cannot wait for replicas: ${error.message}`,
        )
        : error;
    });
    if (reached as number >= this.#replicas) return reply;
    const reason = `${reached} of ${this.#replicas} replicas have them after ` +
      `${REPLICAS_WITHIN_MS / 1000} s`;
    // They may have another master by now.
    this.#connection.doubt?.(reason);
    throw new BrokerUnavailableError(reason);
  }

  callAll(
    key: string | undefined,
    commands: readonly (readonly string[])[],
  ): Promise<unknown[]> {
    return Promise.all(commands.map((args) => this.call(key, args)));
  }

  /** The connection belongs to somebody else. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
