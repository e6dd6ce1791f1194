/**
 * Clients of the Redis library, set up as we need them.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { connect } from "node:tls";
import { createClient } from "npm:@redis/client@6.3.1";
import type {
  HostPort,
  RedisAddress,
  SocketPath,
  TlsFiles,
} from "../redis_dsn.ts";
import { explainRefusal } from "./certificate.ts";

export type Client = ReturnType<typeof newClient>;

const CHECK_WITHIN_MS = 4000;

/** Ways to use a client. */
export interface ClientOptions {
  /** It hears of keys that change. */
  readonly tracking?: boolean;
  /** It speaks with a sentinel, which has no database. */
  readonly sentinel?: boolean;
}

/** A client that is not connected yet; throws if a file can't be read. */
// The return type is what createClient gives for these options.
// deno-lint-ignore explicit-function-return-type
export function newClient(
  { tls, user, password, database }: RedisAddress,
  place: HostPort | SocketPath,
  { tracking = false, sentinel = false }: ClientOptions = {},
) {
  return createClient({
    ...sentinel ? {} : { username: user, password, database },
    RESP: 3,
    // We reconnect ourselves: nothing waits unseen, nothing is sent twice.
    disableOfflineQueue: true,
    socket: {
      ...place,
      ...(tls === undefined ? {} : tlsOptions(tls, place)),
      reconnectStrategy: false,
    },
    commandOptions: { timeout: undefined },
    disableClientInfo: true,
    maintNotifications: "disabled",
    emitInvalidate: tracking,
  });
}

/**
 * Makes sure that an encrypted connection would be accepted. With TLS 1.3 a
 * server refuses a certificate after the handshake; the library then has no
 * listener for an instant, and the error would end the program.
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
): { tls: true } & Record<string, unknown> {
  const read = (path?: string) =>
    path === undefined ? undefined : readFileSync(path, "utf8");
  const host = "host" in place && isIP(place.host) === 0
    ? place.host
    : undefined;
  return {
    tls: true,
    ca: read(ca),
    cert: read(cert),
    key: read(key),
    servername: serverName ?? host,
  };
}

/** Closes a client at once, whatever its state. */
export function close(client: Client): void {
  try {
    client.destroy();
  } catch {
    // It was closed already.
  }
}
