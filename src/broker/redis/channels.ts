import { backoffMs } from "../../time/backoff.ts";
import type { ConnectionOptions, ServerConnection } from "./connection.ts";
import { toBrokerError } from "./errors.ts";

/** Is told a text that was published; nothing: some may have been missed. */
export type Heard = (text?: string) => void;

interface Channel {
  readonly name: string;
  readonly listeners: Set<Heard>;
  /** What the connection calls with the text of an event. */
  readonly heard: (text: string) => void;
  /** Confirmed on the present connection, or on its way. */
  subscribed: Promise<void> | undefined;
}

/** So soon it is noticed that no events come any more. */
const PING_AFTER_MS = 5000;

/** Hears what is published, on one connection for all who listen. */
export class ChannelWatcher implements AsyncDisposable {
  readonly #connection: ServerConnection;
  readonly #channels = new Map<string, Channel>();
  readonly #background: boolean;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #closed = false;

  /**
   * @param open Makes its connection; `onLost` belongs to it.
   * @param background Whether it never keeps the program alive.
   */
  constructor(
    open: (
      options: Pick<ConnectionOptions, "onLost" | "pingAfterMs">,
    ) => ServerConnection,
    background: boolean,
  ) {
    this.#connection = open({
      onLost: () => this.#lost(),
      pingAfterMs: PING_AFTER_MS,
    });
    this.#background = background;
  }

  /**
   * Calls `heard` with what is published on a channel, until the returned
   * resource is disposed. Resolves when nothing from now on can be missed.
   *
   * @throws {BrokerError} If the server refuses.
   * @throws {BrokerUnavailableError} If it can't be reached.
   */
  async watch(
    channelName: string,
    heard: Heard,
  ): Promise<AsyncDisposable> {
    let channel = this.#channels.get(channelName);
    if (channel === undefined) {
      channel = newChannel(channelName);
      this.#channels.set(channelName, channel);
    }
    // Each watch is its own, even if the same function watches twice.
    const listener: Heard = (text) => heard(text);
    channel.listeners.add(listener);
    try {
      await this.#subscribe(channel);
    } catch (error) {
      await this.#leave(channel, listener);
      throw toBrokerError(error, `hear of ${channelName}`);
    }
    return {
      [Symbol.asyncDispose]: () => this.#leave(channel, listener),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#channels.clear();
    await this.#connection[Symbol.asyncDispose]();
  }

  #subscribe(channel: Channel): Promise<void> {
    return channel.subscribed ??= this.#connection
      .subscribe(channel.name, channel.heard)
      .catch((error) => {
        channel.subscribed = undefined;
        throw error;
      });
  }

  async #leave(channel: Channel, listener: Heard): Promise<void> {
    channel.listeners.delete(listener);
    if (channel.listeners.size > 0) return;
    if (this.#channels.get(channel.name) !== channel) return;
    this.#channels.delete(channel.name);
    if (channel.subscribed === undefined || this.#closed) return;
    // A connection that is lost has no subscription any more.
    await this.#connection.unsubscribe(channel.name, channel.heard)
      .catch(() => {});
  }

  #lost(): void {
    for (const channel of this.#channels.values()) {
      channel.subscribed = undefined;
    }
    if (this.#channels.size > 0) this.#resubscribeLater();
  }

  #resubscribeLater(): void {
    if (this.#closed || this.#retry !== undefined) return;
    const delayMs = backoffMs(this.#tries++, { minMs: 50, maxMs: 2000 });
    this.#retry = setTimeout(() => this.#resubscribe(), delayMs);
    if (this.#background) Deno.unrefTimer(this.#retry);
  }

  async #resubscribe(): Promise<void> {
    this.#retry = undefined;
    const channels = [...this.#channels.values()];
    try {
      await Promise.all(channels.map((channel) => this.#subscribe(channel)));
    } catch {
      return this.#resubscribeLater();
    }
    this.#tries = 0;
    // What was stored in between was heard by nobody.
    for (const channel of channels) {
      for (const listener of channel.listeners) listener();
    }
  }
}

function newChannel(name: string): Channel {
  const listeners = new Set<Heard>();
  return {
    name,
    listeners,
    heard(text) {
      for (const listener of listeners) listener(text);
    },
    subscribed: undefined,
  };
}
