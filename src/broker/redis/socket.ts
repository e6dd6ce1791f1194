/**
 * Sockets to a server of Redis: TCP, TLS or a path.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import {
  connect as connectPlain,
  isIP,
  type Socket as PlainSocket,
} from "node:net";
import { connect } from "node:tls";
import type {
  HostPort,
  RedisAddress,
  SocketPath,
  TlsFiles,
} from "../redis_dsn.ts";
import { explainRefusal } from "./certificate.ts";

const CHECK_WITHIN_MS = 4000;
/** So soon after the last byte an idle peer is asked whether it is there. */
const KEEP_ALIVE_MS = 30_000;

/** Hears of what a socket receives, and of its end. */
export interface SocketListener {
  connected(): void;
  received(bytes: Uint8Array): void;
  /** Once, whatever ended it; not if we closed it. */
  ended(error: Error): void;
}

/** A socket, connected or not yet. */
export class Socket {
  readonly #socket: PlainSocket;
  #hasEnded = false;

  /** Begins to connect; throws if a file of TLS can't be read. */
  constructor(
    { tls }: Pick<RedisAddress, "tls">,
    place: HostPort | SocketPath,
    listener: SocketListener,
  ) {
    const options = {
      ...place,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    };
    this.#socket = tls === undefined
      ? connectPlain(options)
      : connect({ ...options, ...tlsOptions(tls, place) });
    const ended = (error?: Error) => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      listener.ended(error ?? new Error("the server closed the connection"));
    };
    this.#socket
      .once(
        tls === undefined ? "connect" : "secureConnect",
        () => listener.connected(),
      )
      .on("data", (bytes: Uint8Array) => {
        if (!this.#hasEnded) listener.received(bytes);
      })
      .on("error", ended)
      .once("close", () => ended());
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Closes it at once; its listener hears nothing any more. */
  close(): void {
    this.#hasEnded = true;
    this.#socket.destroy();
  }

  /** It keeps the program alive. */
  ref(): void {
    this.#socket.ref();
  }

  /** It does not keep the program alive. */
  unref(): void {
    this.#socket.unref();
  }
}

/**
 * Makes sure that an encrypted connection would be accepted: with TLS 1.3
 * a server refuses a certificate only after the handshake.
 *
 * @throws {Error} Saying why it is refused.
 */
export async function checkTls(
  { tls }: RedisAddress,
  place: HostPort | SocketPath,
): Promise<void> {
  if (tls === undefined) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options = { ...place, ...tlsOptions(tls, place) };
  const socket = connect(options);
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

/** Files are read for each connection: a certificate may be renewed. */
function tlsOptions(
  { ca, cert, key, serverName }: TlsFiles,
  place: HostPort | SocketPath,
): Record<string, string | undefined> {
  const read = (path?: string) =>
    path === undefined ? undefined : readFileSync(path, "utf8");
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
