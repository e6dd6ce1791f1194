import { SchemaError } from "../broker.ts";
import type { Connection } from "./connection.ts";
import { ReplyError } from "./errors.ts";
import { KEYS_VERSION, type KeySpace, type QueueKeys } from "./keys.ts";
import { explain } from "./scripts.ts";

/**
 * What comes before the first command on a queue: its name is noted, and the
 * version of its keys, or found to be one that this program can't write.
 */
export class Introductions {
  readonly #connection: Connection;
  readonly #space: KeySpace;
  readonly #known = new Map<string, Promise<void>>();
  readonly #registered = new Set<QueueKeys>();

  constructor(connection: Connection, space: KeySpace) {
    this.#connection = connection;
    this.#space = space;
  }

  /**
   * Makes a queue known, once until {@linkcode forget}.
   *
   * @throws {SchemaError} If a later version of this program uses it.
   */
  of(keys: QueueKeys): Promise<void> {
    const known = this.#known.get(keys.queue);
    if (known !== undefined) return known;
    const introduced = this.#introduce(keys);
    this.#known.set(keys.queue, introduced);
    introduced.catch(() => {
      if (this.#known.get(keys.queue) === introduced) {
        this.#known.delete(keys.queue);
      }
    });
    return introduced;
  }

  /**
   * Makes a queue known, again if it was before, and from then on with each new
   * connection: the server may have come back without what it knew.
   *
   * @throws {SchemaError} As {@linkcode of}.
   */
  register(keys: QueueKeys): Promise<void> {
    this.#registered.add(keys);
    this.#known.delete(keys.queue);
    return this.of(keys);
  }

  /** Commands that make all registered queues known. */
  registering(): string[][] {
    return [...this.#registered].flatMap((keys) => this.#writing(keys));
  }

  /** The server may have lost what it knew. */
  forget(): void {
    this.#known.clear();
  }

  async #introduce(keys: QueueKeys): Promise<void> {
    const { meta, queue } = keys;
    const commands = [...this.#writing(keys), ["HGET", meta, "v"]];
    const [, , version] = await Promise.all(
      commands.map((command) => this.#write(command)),
    ).catch(async (error) => {
      throw await explain(
        this.#connection,
        error,
        `use queue ${queue}`,
        [this.#space.queues, meta],
      );
    });
    if (Number(version ?? KEYS_VERSION) > KEYS_VERSION) {
      throw new SchemaError(
        `Cannot use queue ${queue}: its keys have version ${version}, this ` +
          `program writes version ${KEYS_VERSION}; update it`,
      );
    }
  }

  /** A full server refuses this, and must still be drained. */
  #write(command: string[]): Promise<unknown> {
    return this.#connection.call(command[1], command).catch((error) => {
      if (error instanceof ReplyError && error.code === "OOM") return null;
      throw error;
    });
  }

  #writing({ meta, queue }: QueueKeys): string[][] {
    return [
      ["SADD", this.#space.queues, queue],
      ["HSETNX", meta, "v", String(KEYS_VERSION)],
    ];
  }
}
