import { WrongTypeError } from "../broker.ts";
import type { Connection } from "./connection.ts";
import { ReplyError, toBrokerError } from "./errors.ts";
import { expectedType } from "./keys.ts";
import { LIBRARIES, SCRIPTS } from "./lua.ts";
import { scriptText } from "./script_text.ts";

/** The name of a script: of its `.lua` file. */
export type ScriptName = keyof typeof SCRIPTS;

/** Runs a script by its name. */
export interface ScriptRunner {
  /**
   * @throws {FencedError | MismatchError | WrongTypeError} As its header says.
   * @throws {BrokerError} If it was refused.
   * @throws {BrokerUnavailableError} If it is uncertain whether it ran.
   */
  run(
    name: ScriptName,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<unknown>;
}

/** Other texts than those that belong to the program, for tests. */
export interface ScriptTexts {
  /** Defines `now_ms()`. */
  readonly clock?: string;
  readonly scripts?: Partial<Record<ScriptName, string>>;
  /** The digest by which Redis will know them, in hex. */
  sha1(text: string): string;
}

interface Script {
  readonly text: string;
  readonly sha: string;
}

/** The scripts, ready to be sent. */
export class Scripts {
  readonly #scripts: Record<ScriptName, Script>;

  constructor(other?: ScriptTexts) {
    const libraries = { ...LIBRARIES, clock: other?.clock ?? LIBRARIES.clock };
    this.#scripts = Object.fromEntries(
      Object.entries(SCRIPTS).map(([name, { body, sha }]) => {
        const own = other?.scripts?.[name as ScriptName] ?? body;
        const text = scriptText(own, libraries);
        return [name, { text, sha: other?.sha1(text) ?? sha }];
      }),
    ) as Record<ScriptName, Script>;
  }

  get(name: ScriptName): Script {
    return this.#scripts[name];
  }

  /** Commands that load them all: what is loaded keeps its place in line. */
  loading(): string[][] {
    return Object.values(this.#scripts)
      .map(({ text }) => ["SCRIPT", "LOAD", text]);
  }
}

/** Runs scripts on a connection: by digest, and with text if it is unknown. */
export class ConnectionRunner implements ScriptRunner {
  readonly #connection: Connection;
  readonly #scripts: Scripts;

  constructor(connection: Connection, scripts: Scripts = new Scripts()) {
    this.#connection = connection;
    this.#scripts = scripts;
  }

  async run(
    name: ScriptName,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<unknown> {
    const script = this.#scripts.get(name);
    const command = ["EVALSHA", script.sha, String(keys.length)]
      .concat(keys, args);
    try {
      return await this.#connection.call(keys[0], command);
    } catch (error) {
      if (!(error instanceof ReplyError && error.code === "NOSCRIPT")) {
        throw await explain(this.#connection, error, name, keys);
      }
    }
    try {
      command[0] = "EVAL";
      command[1] = script.text;
      return await this.#connection.call(keys[0], command);
    } catch (error) {
      throw await explain(this.#connection, error, name, keys);
    }
  }
}

/**
 * An error reply as the error that the broker's contract names; looks for the
 * key that has a foreign value, as Redis does not name it.
 */
export async function explain(
  connection: Connection,
  error: unknown,
  attempted: string,
  keys: readonly string[],
): Promise<Error> {
  const mapped = toBrokerError(error, attempted);
  if (!(mapped instanceof WrongTypeError)) return mapped;
  const types = await Promise.all(
    keys.map((key) => connection.call(key, ["TYPE", key]).catch(() => "none")),
  );
  for (const [i, key] of keys.entries()) {
    const expected = expectedType(key);
    if (types[i] !== "none" && types[i] !== expected) {
      return new WrongTypeError(
        `Cannot ${attempted}: key ${key} must be a ${expected}, ` +
          `but it holds a ${types[i]} that another program put there`,
        { cause: error },
      );
    }
  }
  return mapped;
}
