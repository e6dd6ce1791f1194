/**
 * Says of a certificate that was refused what is wrong with it, where the
 * runtime says the same of all.
 *
 * @module
 */
import {
  connect,
  type ConnectionOptions,
  type PeerCertificate,
} from "node:tls";

const LOOK_WITHIN_MS = 1000;

/** A refusal with its reason; the same error if there is no more to say. */
export async function explainRefusal(
  error: Error,
  options: ConnectionOptions,
): Promise<Error> {
  const reason = ofClient(error) ?? await ofServer(error, options);
  return reason === undefined ? error : new Error(reason, { cause: error });
}

/** What the server says of our certificate: without one, that it wants one. */
function ofClient({ message }: Error): string | undefined {
  const [, alert] =
    /^received fatal alert: (\w*Certificate\w*|UnknownCA)$/.exec(message) ?? [];
  return alert && `it does not accept the certificate of this client: ${alert}`;
}

async function ofServer(
  { message }: Error,
  options: ConnectionOptions,
): Promise<string | undefined> {
  if (!/certificate/.test(message)) return;
  const certificate = await read(options);
  if (certificate === undefined) return;
  const from = new Date(certificate.valid_from);
  const to = new Date(certificate.valid_to);
  if (to.getTime() <= Date.now()) {
    return `its certificate expired at ${to.toISOString()}`;
  }
  if (from.getTime() > Date.now()) {
    return `its certificate is not valid before ${from.toISOString()}`;
  }
}

/** The certificate of a server that is not trusted: nothing is sent to it. */
async function read(
  options: ConnectionOptions,
): Promise<PeerCertificate | undefined> {
  const { promise, resolve } = Promise.withResolvers<
    PeerCertificate | undefined
  >();
  const socket = connect({ ...options, rejectUnauthorized: false });
  socket.on("error", () => resolve(undefined));
  socket.on("close", () => resolve(undefined));
  socket.setTimeout(LOOK_WITHIN_MS, () => resolve(undefined));
  socket.once("secureConnect", () => resolve(socket.getPeerCertificate()));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
