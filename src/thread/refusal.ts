import { RefusedError } from "../loader/access.ts";
import type { ThreadOptions } from "./protocol.ts";

/** Something that a job was not allowed to do. */
export interface Refusal {
  /** What it was, and the flag of `mqk run` that opens it. */
  readonly message: string;
  /** No later attempt of this job can do better. */
  readonly final: boolean;
}

/** What decides it. */
export type RefusalRules = Pick<
  ThreadOptions,
  "root" | "realRoot" | "sandbox"
>;

/** How the runtime says it; what follows is for its own command line. */
const REQUIRES =
  /Requires (read|write|net|env|sys|run|ffi|import|all) access(?: to "((?:[^"\\]|\\.)*)")?(?:, (?:run again with|specify the required)[^\n]*)?/;
/** Kinds of `sys` access that only a flag without a list opens. */
const UNNAMED = ["inspector", "umask"];
const MAX_CAUSES = 10;

/** Whether an error of a job means that something was refused to it. */
export function refusalOf(
  thrown: unknown,
  rules: RefusalRules,
): Refusal | undefined {
  if (thrown instanceof RefusedError) {
    return { message: thrown.message, final: true };
  }
  for (const error of causesOf(thrown)) {
    const text = String(error.message);
    const [whole, permission, value] = REQUIRES.exec(text) ?? [];
    // Without a sandbox the runtime refuses imports only: the rest is said by
    // a program that the job has started, say.
    if (
      whole !== undefined &&
      (rules.sandbox !== undefined || permission === "import")
    ) {
      const required = describe(permission, value && unescaped(value), rules);
      return {
        message: said(thrown, whole, required.message),
        final: required.final,
      };
    }
    if (error.name === "NotCapable") return { message: text, final: true };
    const hidden = hiddenByNode(error, rules);
    if (hidden !== undefined) {
      const { message } = describe(hidden[0], hidden[1], rules);
      return { message: `${text} (${message})`, final: true };
    }
  }
}

/** The error, what it wraps, and so on. Never throws. */
function causesOf(thrown: unknown): Error[] {
  const found: Error[] = [];
  const open: unknown[] = [thrown];
  while (open.length > 0 && found.length < MAX_CAUSES) {
    const error = open.shift();
    if (!(error instanceof Error) || found.includes(error)) continue;
    found.push(error);
    open.push(error.cause);
    if (error instanceof AggregateError) open.push(...error.errors);
  }
  return found;
}

/** What was refused where `node:` modules say something else. */
function hiddenByNode(
  error: Error,
  { sandbox }: RefusalRules,
): [permission: string, value?: string] | undefined {
  if (sandbox === undefined) return;
  const { run } = sandbox.permissions;
  const { code, address, port } = error as {
    code?: string;
    address?: string;
    port?: number;
  };
  if (code === "ECONNREFUSED" && address !== undefined) {
    const host = `${address}:${port}`;
    const { state } = Deno.permissions.querySync({ name: "net", host });
    if (state !== "granted") return ["net", host];
  }
  // A program that did start has a status or a signal.
  const failed = error.message.startsWith("Command failed: ");
  if (run !== true && failed && !("status" in error)) return ["run"];
}

function describe(
  permission: string,
  value: string | undefined,
  rules: RefusalRules,
): Refusal {
  const what = value === undefined ? "" : ` to "${value}"`;
  const requires = `Requires ${permission} access${what}`;
  if (permission === "all") {
    return {
      message: `${requires}: no flag of mqk run opens it for job code`,
      final: true,
    };
  }
  if (permission === "read" && value !== undefined && isNew(value, rules)) {
    return {
      message: `${requires}, which was not there when this worker started`,
      final: false,
    };
  }
  const list = permission === "import"
    ? importUrl(value)
    : UNNAMED.includes(value ?? "")
    ? undefined
    : value;
  const flag = `--allow-${permission}${list === undefined ? "" : `=${list}`}`;
  return {
    message: `${requires}: mqk run opens it with ${quoted(flag)}`,
    final: true,
  };
}

/** A path that is not readable only because it appeared later. */
function isNew(
  path: string,
  { root, realRoot = root, sandbox }: RefusalRules,
): boolean {
  const hidden = sandbox?.hidden;
  if (hidden === undefined) return false;
  const real = isBelow(path, root) ? realRoot + path.slice(root.length) : path;
  return isBelow(real, realRoot) && !real.startsWith(hidden) &&
    !isBelow(hidden, real);
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder) && /^[\\/]/.test(path.slice(folder.length));
}

function importUrl(host: string | undefined): string | undefined {
  if (host === undefined) return undefined;
  const local = /^(localhost|127\.|\[::1\])/.test(host) || host.endsWith(":80");
  return `${local ? "http" : "https"}://${host.replace(/:(443|80)$/, "")}`;
}

/** Ready for a shell. */
function quoted(flag: string): string {
  return /^[\w@%+=:,./\\[\]-]*$/.test(flag)
    ? flag
    : `'${flag.replaceAll("'", `'\\''`)}'`;
}

function unescaped(text: string): string {
  return text.replace(/\\(["'\\])/g, "$1");
}

/** The message of the error itself, with `better` in the place of `whole`. */
function said(thrown: unknown, whole: string, better: string): string {
  const message = String((thrown as Error).message);
  return message.includes(whole)
    ? message.replace(whole, () => better)
    : `${message} (${better})`;
}
