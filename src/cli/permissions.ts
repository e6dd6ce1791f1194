import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "npm:commander@15.1.0";
import { ArgumentError } from "../errors.ts";
import type { Allowed, JobPermissions } from "../master/orders.ts";

type Kind = keyof JobPermissions;

/** What a flag was given: all, or a list. */
type Given = true | readonly string[];

/** The options of the sandbox, as commander names them. */
export type SandboxOptions = {
  readonly [K in Kind as `allow${Capitalize<K>}`]?: Given;
};

const DESCRIPTIONS: Readonly<Record<Kind, readonly [string, string]>> = {
  net: ["hosts", "job code may use the network: all of it, or HOST[:PORT],..."],
  read: ["paths", "job code may read files outside the root too"],
  write: ["paths", "job code may write files"],
  env: ["names", "job code may use environment variables"],
  run: ["programs", "job code may run programs: leaves the sandbox"],
  sys: ["kinds", "job code may ask about the system (hostname, cpus, ...)"],
  ffi: ["paths", "job code may load native libraries: leaves the sandbox"],
};

const KINDS = Object.keys(DESCRIPTIONS) as Kind[];

const SYS_KINDS = [
  "cpus",
  "getegid",
  "getPriority",
  "gid",
  "homedir",
  "hostname",
  "loadavg",
  "networkInterfaces",
  "osRelease",
  "osUptime",
  "setPriority",
  "statfs",
  "systemMemoryInfo",
  "uid",
  "userInfo",
  "username",
];

/** What stands for a flag without a list; no argument can hold it. */
const ALL = "\0";

/** A command with the flags of the sandbox; they take a list after `=` only. */
export class SandboxCommand extends Command {
  override parseOptions(
    args: string[],
  ): ReturnType<Command["parseOptions"]> {
    const end = args.indexOf("--");
    const options = end === -1 ? args : args.slice(0, end);
    return super.parseOptions([
      ...options.map(withList),
      ...args.slice(options.length),
    ]);
  }

  /** Adds the flags `--allow-net` and so on. */
  addSandboxOptions(): this {
    for (const kind of KINDS) {
      const [list, description] = DESCRIPTIONS[kind];
      this.addOption(
        new Option(`--allow-${kind} [=${list}]`, description)
          .argParser((text, before?: Given) => given(kind, text, before)),
      );
    }
    return this;
  }
}

/** `--allow-net` must not take the next argument for its list. */
function withList(argument: string): string {
  const [flag] = argument.split("=", 1);
  const [, verb, kind] = /^--(allow|deny)-([a-z]+)$/.exec(flag) ?? [];
  const isOurs = (KINDS as string[]).includes(kind) ||
    (verb === "deny" && kind === "import");
  if (!isOurs) return argument;
  if (verb === "deny") {
    throw new ArgumentError(
      `Cannot use ${flag}: the runtime takes no such list for the thread in ` +
        `which jobs run; name what is allowed with --allow-${kind}=...`,
    );
  }
  return flag === argument ? `${flag}=${ALL}` : argument;
}

function given(kind: Kind, text: string, before?: Given): Given {
  if (text === ALL || before === true) return true;
  const values = text.split(",").map((value) => checked(kind, value));
  return [...before ?? [], ...values];
}

function checked(kind: Kind, value: string): string {
  if (value.trim() === "") {
    throw new InvalidArgumentError("It must not name nothing.");
  }
  switch (kind) {
    case "net":
      return host(value);
    case "env":
      if (/[=\0]/.test(value)) {
        throw new InvalidArgumentError("It must be names of variables.");
      }
      return value;
    case "sys":
      if (!SYS_KINDS.includes(value)) {
        throw new InvalidArgumentError(
          `It must be of: ${SYS_KINDS.join(", ")}.`,
        );
      }
      return value;
    case "run":
      return /[\\/]/.test(value) ? resolve(value) : value;
    default:
      return resolve(value);
  }
}

const HOST =
  /^(\[[0-9a-f:.]+\]|[^\s:\/\[\]@?#]+(?:\/\d{1,3})?)(?::(\d{1,5}))?$/i;

function host(value: string): string {
  const [fits, , port = "0"] = HOST.exec(value) ?? [];
  if (fits === undefined || Number(port) > 65_535) {
    throw new InvalidArgumentError(
      "It must be HOST, HOST:PORT or an IP address, not a URL.",
    );
  }
  return value;
}

/** What the flags open for job code; nothing if none was given. */
export function chosenPermissions(
  options: SandboxOptions,
): JobPermissions | undefined {
  const allowed = (given?: Given): Allowed => given ?? false;
  const permissions: JobPermissions = {
    env: allowed(options.allowEnv),
    ffi: allowed(options.allowFfi),
    net: allowed(options.allowNet),
    read: allowed(options.allowRead),
    run: allowed(options.allowRun),
    sys: allowed(options.allowSys),
    write: allowed(options.allowWrite),
  };
  return Object.values(permissions).some((kind) => kind !== false)
    ? permissions
    : undefined;
}
