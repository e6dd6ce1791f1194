/**
 * The parts of a DSN of Redis.
 *
 * @module
 */
import { resolve } from "node:path";
import { ArgumentError } from "../errors.ts";
import { hidePassword } from "../hide_password.ts";

/** What the names of all keys begin with, if nothing else is said. */
export const DEFAULT_PREFIX = "mqk";

const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26_379;
/** Several hosts are no URL. */
const SENTINELS =
  /^(rediss?)\+sentinel:\/\/([^@/?]*@)?([^@/?]+)\/([^/?]+)(\?.*)?$/;
const CLUSTER = /^(rediss?)\+cluster:\/\/([^@/?]*@)?([^@/?]+)\/?()(\?.*)?$/;
/** No braces: they would say which part of a key decides on its node. */
const PREFIX = /^[A-Za-z0-9_.:-]{1,50}$/;
const FILES = ["ca", "cert", "key"] as const;
const PARAMETERS = [
  "db",
  "prefix",
  "replicas",
  "user",
  "password",
  "servername",
  ...FILES,
];

/** Where a server is, and how to get in. */
export interface RedisAddress {
  /** For messages: host and port, or the path of a socket. */
  readonly server: string;
  readonly place: HostPort | SocketPath | Sentinels | Seeds;
  readonly user?: string;
  readonly password?: string;
  readonly database: number;
  /** None: not encrypted. */
  readonly tls?: TlsFiles;
  /** What the names of all keys begin with. */
  readonly prefix: string;
  /** A job is stored when so many replicas have it. */
  readonly replicas: number;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface SocketPath {
  readonly path: string;
}

/** Where to ask which server is the master of this name. */
export interface Sentinels {
  readonly sentinels: readonly HostPort[];
  readonly masterName: string;
}

/** Nodes of a cluster; they know the others. */
export interface Seeds {
  readonly seeds: readonly HostPort[];
}

/** Paths of PEM files, and the name that the certificate must have. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
}

/**
 * Reads `redis://[[user]:password@]host[:port][/database]`, `rediss://...` or
 * `unix:/path`, each with `?name=value` behind it, or
 * `redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master-name`,
 * or `redis+cluster://[[user]:password@]host[:port][,host[:port]...]`.
 * Percent-encoding counts.
 *
 * @throws {ArgumentError} Saying what is wrong; without the password.
 */
export function parseRedisDsn(text: string): RedisAddress {
  const bad = (reason: string) =>
    new ArgumentError(`Cannot use DSN "${hidePassword(text)}": ${reason}`);
  const [, scheme, user = "", hosts, masterName, query = ""] =
    SENTINELS.exec(text) ?? CLUSTER.exec(text) ?? [];
  const url = URL.parse(
    scheme === undefined
      ? text
      : `${scheme}://${user}${hosts.split(",")[0]}/${query}`,
  );
  const host = url?.hostname.replace(/^\[(.*)\]$/, "$1") ?? "";
  const unix = url?.protocol === "unix:";
  const somewhere = unix ? url?.pathname.startsWith("/") : host !== "";
  if (url === null || !somewhere || !/^(rediss?|unix):$/.test(url.protocol)) {
    throw bad(
      "required is redis://[[user]:password@]host[:port][/database], " +
        "rediss://..., redis+sentinel://host[,host...]/master-name, " +
        "redis+cluster://host[,host...], unix:/path or sqlite:PATH",
    );
  }
  const parameter = (name: string) => url.searchParams.get(name) ?? undefined;
  for (const name of url.searchParams.keys()) {
    if (PARAMETERS.includes(name)) continue;
    throw bad(`it knows no "${name}"; possible are ${PARAMETERS.join(", ")}`);
  }
  const decode = (part: string) => {
    try {
      return part === "" ? undefined : decodeURIComponent(part);
    } catch {
      throw bad("user and password must be percent-encoded");
    }
  };
  const inPath = unix ? "" : url.pathname.slice(1);
  const database = parameter("db") ?? (inPath === "" ? "0" : inPath);
  if (!/^[0-9]{1,4}$/.test(database)) {
    throw bad(`the database must be a number, got "${database}"`);
  }
  if (masterName === "" && Number(database) !== 0) {
    throw bad("a cluster has no other database than 0");
  }
  const prefix = parameter("prefix") ?? DEFAULT_PREFIX;
  if (!PREFIX.test(prefix)) {
    throw bad(`the prefix must match [A-Za-z0-9_.:-]{1,50}, got "${prefix}"`);
  }
  const replicas = parameter("replicas") ?? "0";
  if (!/^[0-9]$/.test(replicas)) {
    throw bad(`"replicas" must be a number from 0 to 9, got "${replicas}"`);
  }
  const encrypted = url.protocol === "rediss:";
  for (const name of [...FILES, "servername"]) {
    if (encrypted || parameter(name) === undefined) continue;
    throw bad(`"${name}" is for rediss://, which encrypts`);
  }
  if ((parameter("cert") === undefined) !== (parameter("key") === undefined)) {
    throw bad('"cert" and "key" belong together');
  }
  const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
  const path = decodeURIComponent(url.pathname);
  const alone = url.port === "" ? `${url.host}:${port}` : url.host;
  return {
    ...masterName
      ? {
        server: `master ${masterName} of ${hosts}`,
        place: {
          masterName,
          sentinels: hostsOf(hosts, DEFAULT_SENTINEL_PORT),
        },
      }
      : scheme !== undefined
      ? {
        server: `cluster ${hosts}`,
        place: { seeds: hostsOf(hosts, DEFAULT_PORT) },
      }
      : unix
      ? { server: path, place: { path } }
      : { server: alone, place: { host, port } },
    user: parameter("user") ?? decode(url.username),
    password: parameter("password") ?? decode(url.password),
    database: Number(database),
    tls: encrypted
      ? {
        ca: parameter("ca"),
        cert: parameter("cert"),
        key: parameter("key"),
        serverName: parameter("servername"),
      }
      : undefined,
    prefix,
    replicas: Number(replicas),
  };
}

function hostsOf(text: string, defaultPort: number): HostPort[] {
  return text.split(",").map((part) => {
    const [, host, port] = /^\[?(.*?)\]?(?::([0-9]+))?$/.exec(part)!;
    return { host, port: Number(port ?? defaultPort) };
  });
}

/**
 * The DSN of the cluster that these servers belong to; what else is said is
 * taken from the first.
 *
 * @throws {ArgumentError} If one is no `redis://` or `rediss://`.
 */
export function clusterOf(texts: readonly string[]): string {
  const parts = texts.map((text) => {
    const found = /^(rediss?)(?:\+cluster)?:\/\/([^@/?]*@)?([^@/?]+)(.*)$/.exec(
      text,
    );
    if (found !== null) return found;
    throw new ArgumentError(
      `Cannot use DSN "${hidePassword(text)}" with a cluster: ` +
        "required is redis://... or rediss://...",
    );
  });
  const [, scheme, user = "", , rest] = parts[0];
  const hosts = parts.map(([, , , host]) => host).join(",");
  return `${scheme}+cluster://${user}${hosts}${rest}`;
}

/** The DSN with other parameters, and with its files as absolute paths. */
export function withParameters(
  text: string,
  parameters: Readonly<Record<string, string | number | undefined>>,
  directory: string,
): string {
  const mark = text.indexOf("?");
  const base = mark === -1 ? text : text.slice(0, mark);
  const query = new URLSearchParams(mark === -1 ? "" : text.slice(mark));
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  for (const name of FILES) {
    const file = query.get(name);
    if (file !== null) query.set(name, resolve(directory, file));
  }
  return query.size === 0 ? base : `${base}?${query}`;
}
