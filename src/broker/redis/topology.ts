/**
 * Which node of a cluster serves which slot.
 *
 * @module
 */
import type { HostPort, RedisAddress, Seeds } from "../redis_dsn.ts";
import { askOnce, Client } from "./client.ts";

/** A node that does not answer must not keep us from the next. */
const ASK_WITHIN_MS = 1000;
/** As long as all nodes are asked in vain, they are asked so often. */
const ASK_EVERY_MS = 100;

/** `CLUSTER SLOTS`: first and last slot, master, replicas. */
type SlotRange = [number, number, [string | null, number], ...unknown[]];

/** Host and port as one text. */
export function nameOf({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The map of a cluster, as far as it is known; shared by connections. */
export class Topology {
  readonly #address: RedisAddress;
  readonly #seeds: readonly HostPort[];
  #ranges: { first: number; last: number; node: HostPort }[] = [];
  /** Slots that have moved since the nodes were asked. */
  readonly #moved = new Map<number, HostPort>();
  /** The node that told us. */
  #informant: HostPort | undefined;
  #doubtful = true;
  #askedAtMs = -Infinity;
  #asking: Promise<void> | undefined;
  /** The slot of a key; loaded when it is first needed. */
  #slotOf: ((key: string) => number) | undefined;

  constructor(address: RedisAddress, { seeds }: Seeds) {
    this.#address = address;
    this.#seeds = seeds;
  }

  /**
   * The node of a key, or any node if there is no key; asks the nodes first if
   * the map is in doubt.
   *
   * @throws {Error} If no node can be asked, or none serves the slot.
   */
  async nodeOf(key: string | undefined): Promise<HostPort> {
    if (this.#doubtful) await this.#ask();
    const known = this.known(key);
    if (known !== undefined) return known;
    this.#doubtful = true;
    throw new Error("no node of the cluster serves the slot of this key");
  }

  /** The same without asking; `undefined`: it must be asked. */
  known(key: string | undefined): HostPort | undefined {
    if (this.#doubtful) return;
    if (key === undefined) return this.#informant;
    const slot = this.#slotOf!(key);
    return this.#moved.get(slot) ??
      this.#ranges.find(({ first, last }) => first <= slot && slot <= last)
        ?.node;
  }

  /**
   * A node that answers at this moment.
   *
   * @throws {Error} If none does.
   */
  async reachable(): Promise<HostPort> {
    await this.#ask();
    return this.#informant!;
  }

  /** All nodes that serve slots; none while nothing is known. */
  get nodes(): HostPort[] {
    const nodes = new Map<string, HostPort>();
    for (const { node } of this.#ranges) nodes.set(nameOf(node), node);
    for (const node of this.#moved.values()) nodes.set(nameOf(node), node);
    return [...nodes.values()];
  }

  /** A node has said that it does not serve this key any more. */
  moved(key: string, node: HostPort): void {
    this.#moved.set(this.#slotOf!(key), node);
  }

  /** A node does not answer, or can't: all are asked before the next command. */
  doubt(): void {
    this.#doubtful = true;
  }

  #ask(): Promise<void> {
    return this.#asking ??= this.#askAny().finally(() => {
      this.#asking = undefined;
    });
  }

  async #askAny(): Promise<void> {
    const pauseMs = this.#askedAtMs + ASK_EVERY_MS - performance.now();
    if (pauseMs > 0) await new Promise((done) => setTimeout(done, pauseMs));
    this.#askedAtMs = performance.now();
    this.#slotOf ??= (await import("npm:cluster-key-slot@1.1.2")).default;
    const places = new Map<string, HostPort>();
    for (const place of [...this.nodes, ...this.#seeds]) {
      places.set(nameOf(place), place);
    }
    const reasons: string[] = [];
    for (const [name, place] of places) {
      try {
        const ranges = await askNode(this.#address, place, `asking ${name}`);
        if (ranges.length === 0) throw new Error("it knows of no slots");
        this.#ranges = ranges;
        this.#informant = place;
        this.#moved.clear();
        this.#doubtful = false;
        return;
      } catch (error) {
        reasons.push(`${name}: ${explainRefusal(error as Error)}`);
      }
    }
    throw new Error(reasons.join("; "));
  }
}

function explainRefusal({ message }: Error): string {
  return /cluster support disabled/i.test(message)
    ? "this server is no cluster: leave out --cluster"
    : message;
}

async function askNode(
  address: RedisAddress,
  place: HostPort,
  what: string,
): Promise<{ first: number; last: number; node: HostPort }[]> {
  const ranges = await askOnce(
    new Client(address, place),
    ["CLUSTER", "SLOTS"],
    ASK_WITHIN_MS,
    what,
  ) as unknown as SlotRange[];
  return ranges.map(([first, last, [host, port]]) => ({
    first,
    last,
    // Without a name it is the one that was asked.
    node: { host: host || place.host, port },
  }));
}
