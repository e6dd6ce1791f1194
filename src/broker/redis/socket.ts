import type { HostPort, RedisAddress, SocketPath } from "../redis_dsn.ts";

const READ_BYTES = 64 * 1024;
/** Only later versions try all addresses of a name. */
const TRIES_ONE_ADDRESS = /^2\.[0-7]\./.test(Deno.version.deno);

/** Hears of what a socket receives, and of its end. */
export interface SocketListener {
  /** The bytes are overwritten after this. */
  received(bytes: Uint8Array): void;
  /** Once, whatever ended it; not if we closed it. */
  ended(error: Error): void;
}

/** A connected socket. */
export interface Socket {
  /** Sends these bytes behind those before. */
  write(bytes: Uint8Array): void;
  /** Closes it at once; its listener hears nothing any more. */
  close(): void;
  /** It keeps the program alive; so it does from the start. */
  ref(): void;
  /** It does not keep the program alive. */
  unref(): void;
}

/**
 * Connects to a server.
 *
 * @param signal Gives it up; without that it takes as long as the system lets it.
 * @throws {Error} If it can't be reached, or is not trusted; says why.
 */
export async function openSocket(
  { tls }: Pick<RedisAddress, "tls">,
  place: HostPort | SocketPath,
  listener: SocketListener,
  signal: AbortSignal,
): Promise<Socket> {
  if (tls === undefined) {
    const connection = await connect(place, signal).catch((error) => {
      throw inWords(error);
    });
    return new PlainSocket(connection, listener);
  }
  // What it needs takes long to load.
  const { openTlsSocket } = await import("./tls_socket.ts");
  return await openTlsSocket(tls, place, listener, signal);
}

async function connect(
  place: HostPort | SocketPath,
  signal: AbortSignal,
): Promise<Deno.TcpConn | Deno.UnixConn> {
  if ("path" in place) {
    return await Deno.connect({ transport: "unix", path: place.path });
  }
  const connection = await connectTo(place, signal);
  connection.setNoDelay(true);
  return connection;
}

async function connectTo(
  { host, port }: HostPort,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  try {
    return await Deno.connect({ hostname: host, port, signal });
  } catch (error) {
    if (signal.aborted || !TRIES_ONE_ADDRESS) throw error;
    const { lookup } = await import("node:dns/promises");
    const found = await lookup(host, { all: true }).catch(() => []);
    for (const { address } of found) {
      if (address === host || signal.aborted) continue;
      try {
        return await Deno.connect({ hostname: address, port, signal });
      } catch {
        // The first error says enough.
      }
    }
    throw error;
  }
}

/** TCP, or a path. */
class PlainSocket implements Socket {
  readonly #connection: Deno.TcpConn | Deno.UnixConn;
  readonly #listener: SocketListener;
  #unwritten: Uint8Array[] = [];
  #isWriting = false;
  #isOver = false;

  constructor(
    connection: Deno.TcpConn | Deno.UnixConn,
    listener: SocketListener,
  ) {
    this.#connection = connection;
    this.#listener = listener;
    void this.#read();
  }

  write(bytes: Uint8Array): void {
    this.#unwritten.push(bytes);
    if (!this.#isWriting) void this.#write();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.close();
  }

  ref(): void {
    this.#connection.ref();
  }

  unref(): void {
    this.#connection.unref();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const length = await this.#connection.read(buffer);
        if (this.#isOver) return;
        if (length === null) {
          throw new Error("the server closed the connection");
        }
        this.#listener.received(buffer.subarray(0, length));
      }
    } catch (error) {
      this.#end(error as Error);
    }
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#unwritten.length > 0) {
        const all = this.#unwritten;
        this.#unwritten = [];
        for (const bytes of all) await this.#writeAll(bytes);
      }
    } catch (error) {
      this.#end(error as Error);
    }
    this.#isWriting = false;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#connection.write(at === 0 ? bytes : bytes.subarray(at));
    }
  }

  #end(error: Error): void {
    if (this.#isOver) return;
    this.close();
    this.#listener.ended(inWords(error));
  }
}

/** Without the number that the system has for it. */
function inWords(error: Error): Error {
  const message = error.message.replace(/ \(os error \d+\)$/, "");
  return new Error(message, { cause: error });
}
