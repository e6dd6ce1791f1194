import { statSync } from "node:fs";
import { resolve } from "node:path";
import {
  type Command,
  InvalidArgumentError,
  Option,
} from "npm:commander@15.1.0";
import {
  addParameters,
  clusterDsn,
  defaultDsn,
  type Dsn,
  findRoot,
  parseDsn,
} from "../broker/dsn.ts";
import { ArgumentError } from "../errors.ts";
import { checkQueueName } from "../job/policy.ts";
import type { ListenAddress } from "../metrics/server.ts";

/** A command says with which exit code the program ends. */
export type SetExitCode = (exitCode: number) => void;

/** Where the queues are, as a command is told. */
export interface StoreOptions {
  /** Several are nodes of one cluster. */
  readonly redisDsn?: readonly Dsn[];
  readonly cluster?: boolean;
  readonly prefix?: string;
  readonly tlsCa?: string;
}

/** Adds `-s` and what belongs to it. */
export function addStoreOptions<C extends Command>(command: C): C {
  command
    .addOption(
      new Option(
        "-s, --redis-dsn <dsn>",
        "where the queues are: redis://, rediss://, redis+sentinel://,\n" +
          "redis+cluster://, unix:/PATH or sqlite:PATH\n" +
          "(default: MQK_DSN, else .mqk/queue.sqlite in the root)",
      ).argParser((text, before: readonly Dsn[] = []) => [
        ...before,
        parseDsn(text),
      ]),
    )
    .option(
      "-c, --cluster",
      "the servers of -s, which may be repeated, are nodes of a cluster",
    )
    .option(
      "--prefix <name>",
      'what the names of all keys in Redis begin with (default: "mqk")',
    )
    .option(
      "--tls-ca <file>",
      "trust this authority for rediss:// (PEM; default: those of the system)",
    );
  return command;
}

/**
 * The broker that the options name, else the default one.
 *
 * @throws {ArgumentError} If an option does not fit it.
 */
export function chosenDsn(
  { redisDsn, cluster = false, prefix, tlsCa }: StoreOptions,
  root?: string,
): Dsn {
  const dsns = redisDsn ?? [defaultDsn(root)];
  if (dsns.length > 1 && !cluster) {
    throw new ArgumentError("Cannot use several -s without --cluster");
  }
  const dsn = cluster ? clusterDsn(dsns) : dsns[0];
  return addParameters(dsn, { prefix, ca: tlsCa });
}

/**
 * The folder that `--root` names, else the default one.
 *
 * @throws {ArgumentError} If it is not a folder.
 */
export function chosenRoot(root: string | undefined): string {
  if (root === undefined) return findRoot();
  const folder = resolve(root);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new ArgumentError(`Cannot use root ${folder}: no such folder`);
  }
  return folder;
}

/** `--queue` once. */
export function queueOption(description: string): Option {
  return new Option("--queue <name>", description).argParser(queueName);
}

/** `--queue`, repeatable. */
export function queuesOption(description: string): Option {
  return new Option("--queue <name>", `${description}; repeatable`)
    .argParser((text, before: string[] | undefined) => [
      ...(before ?? []).filter((name) => name !== text),
      queueName(text),
    ]);
}

/** Reads `--queue` of `mqk run`, repeatable: a name, or name=weight. */
export function servedQueues(
  text: string,
  before: ReadonlyMap<string, number | undefined> = new Map(),
): ReadonlyMap<string, number | undefined> {
  const [name, ...rest] = text.split("=");
  const weight = rest.length === 0 ? undefined : rest.join("=");
  const number = weight === undefined
    ? undefined
    : wholeNumber(1, 1000)(weight);
  const [first] = before.values();
  if (before.size > 0 && (first === undefined) !== (number === undefined)) {
    throw new ArgumentError(
      "Cannot serve queues with and without a weight: give all one, or none",
    );
  }
  return new Map(before).set(queueName(name), number);
}

/** Reads a whole number from `min` to `max`. */
export function wholeNumber(
  min: number,
  max: number,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(
        `It must be a whole number from ${min} to ${max}.`,
      );
    }
    return value;
  };
}

/** Reads a number of seconds from `min` to `max`, fractions allowed. */
export function seconds(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]*\.?[0-9]+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(
        `It must be a number of seconds from ${min} to ${max}.`,
      );
    }
    return value;
  };
}

/** Reads `[host]:port`, the host in brackets if it is an IPv6 address. */
export function listenAddress(text: string): ListenAddress {
  const [, ipv6, name, digits] =
    /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]*)):([0-9]{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    throw new InvalidArgumentError(
      "It must be [host]:port, as :9090 or 127.0.0.1:9090.",
    );
  }
  return { host: ipv6 ?? (name === "" ? undefined : name), port };
}

/** Reads the URL of `--allow-import`, repeatable. */
export function importUrls(text: string, before: string[] = []): string[] {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError("It must be an https: URL.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new InvalidArgumentError("It must not hold a user or password.");
  }
  return [...before, text];
}

function queueName(text: string): string {
  checkQueueName(text);
  return text;
}
