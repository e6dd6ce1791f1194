import { parseRedisDsn } from "../redis_dsn.ts";
import { ClusterConnection } from "./cluster.ts";
import {
  type Connection,
  type ConnectionOptions,
  type KnownMaster,
  ServerConnection,
} from "./connection.ts";
import { NotSentError } from "./errors.ts";
import { Topology } from "./topology.ts";

/** Makes connections to one server, or to all nodes of a cluster. */
export class Connector {
  readonly #url: string;
  readonly #topology: Topology | undefined;
  readonly #options: Omit<ConnectionOptions, "url">;
  #closed = false;
  readonly #master: KnownMaster | undefined;

  /**
   * @param options Of all connections that say nothing else.
   * @throws {ArgumentError} If the DSN can't be read.
   */
  constructor(url: string, options: Omit<ConnectionOptions, "url"> = {}) {
    this.#url = url;
    this.#options = options;
    const address = parseRedisDsn(url);
    const { place } = address;
    if ("seeds" in place) this.#topology = new Topology(address, place);
    if ("sentinels" in place) this.#master = {};
  }

  /** Keys of different queues are on different nodes. */
  get isCluster(): boolean {
    return this.#topology !== undefined;
  }

  /** One that reaches every key. */
  connect(own: Omit<ConnectionOptions, "url"> = {}): Connection {
    const options = this.#with(own);
    return this.#topology === undefined
      ? new ServerConnection(options)
      : new ClusterConnection(this.#topology, options);
  }

  /** One to a single server: of a cluster, to any that answers. */
  connectAny(own: Omit<ConnectionOptions, "url"> = {}): ServerConnection {
    const topology = this.#topology;
    const node = topology && (() => topology.reachable());
    return new ServerConnection(this.#with({ node, ...own }));
  }

  /** One to each node that serves slots, or to the only server. */
  async connectEach(): Promise<ServerConnection[]> {
    if (this.#topology === undefined) return [this.connectAny()];
    await this.#topology.nodeOf(undefined);
    return this.#topology.nodes.map((node) => this.connectAny({ node }));
  }

  /** From now on it makes no connections. */
  close(): void {
    this.#closed = true;
  }

  #with(own: Omit<ConnectionOptions, "url">): ConnectionOptions {
    if (this.#closed) throw new NotSentError("Cannot use a closed broker");
    return {
      url: this.#url,
      master: this.#master,
      ...this.#options,
      ...own,
    };
  }
}
