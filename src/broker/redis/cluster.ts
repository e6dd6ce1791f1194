/**
 * One connection to a cluster: one to each node, opened when it is needed.
 *
 * @module
 */
import { BrokerUnavailableError } from "../broker.ts";
import { hidePassword } from "../../hide_password.ts";
import type { HostPort } from "../redis_dsn.ts";
import {
  type Connection,
  type ConnectionOptions,
  ServerConnection,
} from "./connection.ts";
import { isLater, NotSentError, ReplyError } from "./errors.ts";
import { nameOf, type Topology } from "./topology.ts";

/** A slot that moves while we follow it: then its node is asked again later. */
const MOST_HOPS = 5;

/** Sends each command to the node that serves its key, and follows slots. */
export class ClusterConnection implements Connection {
  readonly #topology: Topology;
  readonly #options: ConnectionOptions;
  readonly #nodes = new Map<string, ServerConnection>();
  #closed = false;

  /** @param options Those of the connection to each node. */
  constructor(topology: Topology, options: ConnectionOptions) {
    this.#topology = topology;
    this.#options = options;
  }

  async open(): Promise<void> {
    await (await this.#nodeOf(undefined)).open();
  }

  async call(
    key: string | undefined,
    args: readonly string[],
  ): Promise<unknown> {
    const [reply] = await this.callAll(key, [args]);
    return reply;
  }

  async callAll(
    key: string | undefined,
    commands: readonly (readonly string[])[],
  ): Promise<unknown[]> {
    const known = this.#topology.known(key);
    let node = known === undefined
      ? await this.#nodeOf(key)
      : this.#connect(known);
    let asking = false;
    for (let hops = 0;; hops++) {
      try {
        const replies = await node.callAll(
          key,
          asking ? [["ASKING"], ...commands] : commands,
        );
        return asking ? replies.slice(1) : replies;
      } catch (error) {
        const redirection = readRedirection(error, node);
        if (redirection === undefined) {
          if (error instanceof BrokerUnavailableError || isLater(error)) {
            this.#topology.doubt();
          }
          throw error;
        }
        // It did not run. A slot that is moving has to be waited for.
        if (hops === MOST_HOPS) {
          this.#topology.doubt();
          throw new BrokerUnavailableError((error as Error).message, {
            cause: error,
          });
        }
        asking = redirection.kind === "ASK";
        if (!asking) this.#topology.moved(key!, redirection.node);
        node = this.#connect(redirection.node);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const nodes = [...this.#nodes.values()];
    this.#nodes.clear();
    for (const node of nodes) await node[Symbol.asyncDispose]();
  }

  async #nodeOf(key: string | undefined): Promise<ServerConnection> {
    let place: HostPort;
    try {
      place = await this.#topology.nodeOf(key);
    } catch (error) {
      throw new NotSentError(
        `Cannot reach the Redis cluster: ${
          hidePassword((error as Error).message)
        }`,
        { cause: error },
      );
    }
    this.#leaveOthers();
    return this.#connect(place);
  }

  #connect(place: HostPort): ServerConnection {
    if (this.#closed) throw new NotSentError("Cannot use a closed connection");
    const name = nameOf(place);
    let node = this.#nodes.get(name);
    if (node === undefined) {
      node = new ServerConnection({ ...this.#options, node: place });
      this.#nodes.set(name, node);
    }
    return node;
  }

  /** Closes the connections to nodes that serve nothing any more. */
  #leaveOthers(): void {
    const names = new Set(this.#topology.nodes.map(nameOf));
    for (const [name, node] of this.#nodes) {
      if (names.has(name)) continue;
      this.#nodes.delete(name);
      void node[Symbol.asyncDispose]();
    }
  }
}

/** `MOVED <slot> <host>:<port>` or `ASK ...`: the command did not run. */
function readRedirection(
  error: unknown,
  from: ServerConnection,
): { kind: string; node: HostPort } | undefined {
  if (!(error instanceof ReplyError)) return;
  const [, kind, host, port] =
    /^(MOVED|ASK) [0-9]+ (.*):([0-9]+)$/.exec(error.message) ?? [];
  if (kind === undefined) return;
  const node = { host: host || from.node!.host, port: Number(port) };
  return { kind, node };
}
