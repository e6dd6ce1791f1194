import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import type { HostPort, SocketPath, TlsFiles } from "../redis_dsn.ts";
import { explainRefusal } from "./certificate.ts";
import type { Socket, SocketListener } from "./socket.ts";

const CHECK_WITHIN_MS = 4000;

/**
 * Connects to a server, encrypted. It is by `node:tls`, as the runtime's own
 * way takes no certificate of a client together with a name of the server.
 *
 * @throws {Error} If it can't be reached, or is not trusted; says why.
 */
export async function openTlsSocket(
  tls: TlsFiles,
  place: HostPort | SocketPath,
  listener: SocketListener,
  signal: AbortSignal,
): Promise<Socket> {
  const options = { ...place, ...tlsOptions(tls, place) };
  await check(options, signal);
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(options);
  signal.addEventListener("abort", () => socket.destroy(), { once: true });
  socket.setNoDelay(true);
  socket.once("secureConnect", () => resolve());
  const own = new EncryptedSocket(socket, {
    received: (bytes) => listener.received(bytes),
    ended: (error) => {
      reject(error);
      listener.ended(error);
    },
  });
  await promise;
  return own;
}

class EncryptedSocket implements Socket {
  readonly #socket: TLSSocket;
  #isOver = false;

  constructor(socket: TLSSocket, listener: SocketListener) {
    this.#socket = socket;
    const end = (error: Error) => {
      if (this.#isOver) return;
      this.close();
      listener.ended(error);
    };
    socket
      .on("data", (bytes: Uint8Array) => {
        if (!this.#isOver) listener.received(bytes);
      })
      .on("error", end)
      .on("close", () => end(new Error("the server closed the connection")));
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  close(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }
}

/**
 * Makes sure that an encrypted connection would be accepted: with TLS 1.3 a
 * server refuses a certificate only after the handshake.
 */
async function check(
  options: TlsOptions,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(options);
  signal.addEventListener("abort", () => socket.destroy(), { once: true });
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the connection was closed")));
  socket.setTimeout(CHECK_WITHIN_MS, () => reject(new Error("no answer")));
  // Any answer will do, also that a password is missing.
  socket.once("data", () => resolve());
  socket.once("secureConnect", () => socket.write("PING\r\n"));
  try {
    await promise;
  } catch (error) {
    throw await explainRefusal(error as Error, options);
  } finally {
    socket.destroy();
  }
}

type TlsOptions = ReturnType<typeof tlsOptions> & (HostPort | SocketPath);

/** Files are read for each connection: a certificate may be renewed. */
function tlsOptions(
  { ca, cert, key, serverName }: TlsFiles,
  place: HostPort | SocketPath,
): Record<"ca" | "cert" | "key" | "servername", string | undefined> {
  const read = (path?: string) =>
    path === undefined ? undefined : Deno.readTextFileSync(path);
  const host = "host" in place && isIP(place.host) === 0
    ? place.host
    : undefined;
  return {
    ca: read(ca),
    cert: read(cert),
    key: read(key),
    servername: serverName ?? host,
  };
}
