import { deadline } from "../../time/deadline.ts";
import type { HostPort, RedisAddress, SocketPath } from "../redis_dsn.ts";
import { NotSentError, ReplyError } from "./errors.ts";
import { encode, type Reply, ReplyReader } from "./resp.ts";
import { openSocket, type Socket } from "./socket.ts";

/** Ways to use a client. */
export interface ClientOptions {
  /** It asks for tracking, and hears of each key that changed. */
  readonly onInvalidate?: (key: string | null) => void;
  /** It speaks with a sentinel, which has no database. */
  readonly sentinel?: boolean;
  /** Called once if it is lost after it was opened, and not closed. */
  readonly onLost?: () => void;
}

/** More than so much text is written in several pieces. */
const WRITE_LENGTH = 256 * 1024;

/** A command whose answer has not come. */
interface Pending {
  readonly command: readonly string[];
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  /** It is answered by a push of this kind. */
  readonly push?: string;
  isWritten: boolean;
  next?: Pending;
}

/**
 * A client of one server, for one connection: what was sent is never sent again,
 * nothing waits unseen, and it does not reconnect.
 */
export class Client {
  readonly #address: RedisAddress;
  readonly #place: HostPort | SocketPath;
  readonly #options: ClientOptions;
  readonly #closing = new AbortController();
  #socket: Socket | undefined;
  readonly #reader: ReplyReader;
  readonly #listeners = new Map<string, Set<(text: string) => void>>();
  #first: Pending | undefined;
  #last: Pending | undefined;
  #unwritten: Pending[] = [];
  #isOpen = false;
  #end: Error | undefined;

  /** Does nothing yet. */
  constructor(
    address: RedisAddress,
    place: HostPort | SocketPath,
    options: ClientOptions = {},
  ) {
    this.#address = address;
    this.#place = place;
    this.#options = options;
    this.#reader = new ReplyReader({
      reply: (reply) => this.#answer(reply),
      push: (items) => this.#push(items),
    });
  }

  /**
   * Connects; resolves when it can be used.
   *
   * @throws {ReplyError} If the server does not let us in.
   * @throws {Error} If it can't be reached.
   */
  async open(): Promise<void> {
    const { user = "default", password, database } = this.#address;
    const { sentinel = false, onInvalidate } = this.#options;
    const socket = await openSocket(this.#address, this.#place, {
      received: (bytes) => this.#received(bytes),
      ended: (error) => this.#ended(error),
    }, this.#closing.signal);
    if (this.#end !== undefined) {
      socket.close();
      throw this.#end;
    }
    this.#socket = socket;
    const commands = [["HELLO", "3"]];
    if (!sentinel) {
      // By itself: who does not know HELLO repeats what was said with it.
      if (password !== undefined) commands.unshift(["AUTH", user, password]);
      if (database !== 0) commands.push(["SELECT", String(database)]);
    }
    if (onInvalidate !== undefined) commands.push(["CLIENT", "TRACKING", "ON"]);
    await Promise.all(commands.map((command) => this.call(command)));
    this.#isOpen = true;
  }

  /** It was lost or closed: why. */
  get end(): Error | undefined {
    return this.#end;
  }

  /**
   * Sends one command; what is sent in one turn is written together.
   *
   * @throws {ReplyError} If it was refused; it names the command.
   * @throws {NotSentError} If it was not written.
   * @throws {Error} If no answer came.
   */
  call(command: readonly string[]): Promise<Reply> {
    return this.#send(command);
  }

  /** Calls `listener` for each message of a channel. */
  async subscribe(
    channel: string,
    listener: (text: string) => void,
  ): Promise<void> {
    let listeners = this.#listeners.get(channel);
    if (listeners === undefined) {
      this.#listeners.set(channel, listeners = new Set());
    }
    listeners.add(listener);
    try {
      await this.#send(["SUBSCRIBE", channel], "subscribe");
    } catch (error) {
      listeners.delete(listener);
      throw error;
    }
  }

  /** Ends what {@linkcode subscribe} began. */
  async unsubscribe(
    channel: string,
    listener: (text: string) => void,
  ): Promise<void> {
    const listeners = this.#listeners.get(channel);
    listeners?.delete(listener);
    if (listeners?.size !== 0) return;
    this.#listeners.delete(channel);
    await this.#send(["UNSUBSCRIBE", channel], "unsubscribe");
  }

  /** Closes it at once, whatever its state; what is pending rejects. */
  close(): void {
    this.#closing.abort();
    this.#socket?.close();
    this.#fail(new Error("the connection was closed"));
  }

  /** It keeps the program alive. */
  ref(): void {
    this.#socket?.ref();
  }

  /** It does not keep the program alive. */
  unref(): void {
    this.#socket?.unref();
  }

  #send(command: readonly string[], push?: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(notSent(this.#end));
      const isWritten = false;
      const pending: Pending = { command, resolve, reject, push, isWritten };
      if (this.#last === undefined) this.#first = pending;
      else this.#last.next = pending;
      this.#last = pending;
      if (this.#unwritten.push(pending) > 1) return;
      // After all that is sent in this turn, whatever it awaits meanwhile.
      queueMicrotask(() => queueMicrotask(() => this.#write()));
    });
  }

  #write(): void {
    const unwritten = this.#unwritten;
    this.#unwritten = [];
    if (this.#end !== undefined) return;
    let commands: (readonly string[])[] = [];
    let length = 0;
    for (const [i, pending] of unwritten.entries()) {
      pending.isWritten = true;
      commands.push(pending.command);
      for (const argument of pending.command) length += argument.length;
      if (length < WRITE_LENGTH && i + 1 < unwritten.length) continue;
      this.#socket!.write(encode(commands));
      commands = [];
      length = 0;
    }
  }

  #received(bytes: Uint8Array): void {
    try {
      this.#reader.read(bytes);
    } catch (error) {
      this.#socket?.close();
      this.#ended(error as Error);
    }
  }

  #answer(reply: Reply): void {
    const pending = this.#take();
    if (reply instanceof ReplyError) {
      const [command] = pending?.command ?? [];
      pending?.reject(new ReplyError(reply.message, undefined, command));
    } else pending?.resolve(reply);
  }

  #take(): Pending | undefined {
    const pending = this.#first;
    this.#first = pending?.next;
    if (this.#first === undefined) this.#last = undefined;
    // Else an old one would keep all that came after it alive.
    if (pending !== undefined) pending.next = undefined;
    return pending;
  }

  #push([kind, subject, text]: Reply[]): void {
    if (kind === "message") {
      for (const listener of this.#listeners.get(subject as string) ?? []) {
        listener(text as string);
      }
    } else if (kind === "invalidate") {
      // Nothing: all keys.
      for (const key of subject as string[] | null ?? [null]) {
        this.#options.onInvalidate?.(key);
      }
    } else if (this.#first?.push === kind) this.#take()!.resolve(null);
  }

  #ended(error: Error): void {
    const wasOpen = this.#isOpen;
    this.#fail(error);
    if (wasOpen) this.#options.onLost?.();
  }

  #fail(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#isOpen = false;
    let pending = this.#first;
    this.#first = this.#last = undefined;
    for (; pending !== undefined; pending = pending.next) {
      pending.reject(pending.isWritten ? error : notSent(error));
    }
  }
}

/**
 * Asks a server one thing, and closes the client.
 *
 * @throws {DeadlineError} If it takes longer.
 */
export async function askOnce(
  client: Client,
  command: readonly string[],
  withinMs: number,
  what: string,
): Promise<Reply> {
  const ask = async () => {
    await client.open();
    return await client.call(command);
  };
  try {
    return await deadline(ask(), withinMs, what);
  } finally {
    client.close();
  }
}

function notSent(end: Error): NotSentError {
  return new NotSentError(`The connection was lost: ${end.message}`, {
    cause: end,
  });
}
