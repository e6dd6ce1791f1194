import { parseRedisDsn } from "../redis_dsn.ts";
import { ClusterConnection } from "./cluster.ts";
import {
  type Connection,
  type ConnectionOptions,
  ServerConnection,
} from "./connection.ts";
import { Topology } from "./topology.ts";

/** Makes connections to one server, or to all nodes of a cluster. */
export class Connector {
  readonly #url: string;
  readonly #topology: Topology | undefined;

  /** @throws {ArgumentError} If the DSN can't be read. */
  constructor(url: string) {
    this.#url = url;
    const address = parseRedisDsn(url);
    if ("seeds" in address.place) {
      this.#topology = new Topology(address, address.place);
    }
  }

  /** Keys of different queues are on different nodes. */
  get isCluster(): boolean {
    return this.#topology !== undefined;
  }

  /** One that reaches every key. */
  connect(own: Omit<ConnectionOptions, "url"> = {}): Connection {
    const options = { url: this.#url, ...own };
    return this.#topology === undefined
      ? new ServerConnection(options)
      : new ClusterConnection(this.#topology, options);
  }

  /** One to a single server: of a cluster, to any that answers. */
  connectAny(own: Omit<ConnectionOptions, "url"> = {}): ServerConnection {
    const topology = this.#topology;
    const node = topology && (() => topology.reachable());
    return new ServerConnection({ url: this.#url, node, ...own });
  }

  /** One to each node that serves slots, or to the only server. */
  async connectEach(): Promise<ServerConnection[]> {
    if (this.#topology === undefined) return [this.connectAny()];
    await this.#topology.nodeOf(undefined);
    return this.#topology.nodes.map((node) => this.connectAny({ node }));
  }
}
