import type { Namespace } from "./load.ts";
import { builtinModule } from "./builtins.ts";
import { CommonJs } from "./commonjs.ts";
import type { LinkAnswer, LinkRequest } from "./link_messages.ts";
import { provideLinkedRuntime } from "./linked.ts";
import { RefusedError } from "./access.ts";
import { LoadError } from "./load_error.ts";
import { ProjectConfig } from "./project_config.ts";
import { Resolver } from "./resolve.ts";
import { unlinked } from "./unlinked.ts";

/**
 * The job thread's side of the compiled program's loader: asks the module
 * thread to link a module, and imports what it made.
 */
export class LinkedModules {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, PromiseWithResolvers<LinkAnswer>>();
  /** Linked modules by URL, with the URL of what each one was. */
  readonly #originals = new Map<string, string>();
  readonly #start: () => void;
  #requests = 0;

  /**
   * @param confined Nothing but this loader checks what modules import.
   * @param start Starts the module thread, when the first module is asked for.
   */
  constructor(
    port: MessagePort,
    root: string,
    confined: boolean,
    start: () => void,
  ) {
    this.#port = port;
    this.#start = start;
    const commonJs = new CommonJs(confined);
    let resolver: Resolver | undefined;
    port.onmessage = ({ data }: MessageEvent<LinkAnswer>) => this.#hear(data);
    provideLinkedRuntime({
      import: (specifier, referrer, type) =>
        this.import(specifier, referrer, type),
      resolve: (specifier, referrer) => {
        resolver ??= new Resolver(ProjectConfig.read(root));
        return resolver.resolve(specifier, referrer);
      },
      require: (path) => commonJs.load(path),
      requireFrom: (path) => commonJs.requireFrom(path),
      builtin: (name) => builtinModule(name, confined),
    });
  }

  /**
   * Imports a module as `import()` would. Without a referrer, `specifier` is
   * its URL.
   *
   * @throws {LoadError} If it can't be had; else what it throws itself.
   */
  async import(
    specifier: string,
    referrer?: string,
    type?: string,
  ): Promise<Namespace> {
    const id = this.#requests++;
    if (id === 0) this.#start();
    const answer = Promise.withResolvers<LinkAnswer>();
    this.#waiting.set(id, answer);
    this.#port.postMessage(
      { id, specifier, referrer, type } satisfies LinkRequest,
    );
    const [{ url, error }] = await Promise.all([
      answer.promise,
      CommonJs.ready(),
    ]);
    if (url === undefined) throw asThrown(error!);
    try {
      return await import(url);
    } catch (error) {
      throw this.#unlinked(error);
    }
  }

  #hear(answer: LinkAnswer): void {
    for (const [linked, original] of answer.originals) {
      this.#originals.set(linked, original);
    }
    this.#waiting.get(answer.id)?.resolve(answer);
    this.#waiting.delete(answer.id);
  }

  /** The runtime's own errors name the linked files. */
  #unlinked(error: unknown): unknown {
    if (error instanceof Error) {
      const { message, stack } = error;
      error.message = unlinked(message, this.#originals);
      if (stack !== undefined) error.stack = unlinked(stack, this.#originals);
    }
    return error;
  }
}

function asThrown({ name, message }: { name: string; message: string }): Error {
  switch (name) {
    case "SyntaxError":
      return new SyntaxError(message);
    case "LoadError":
      return new LoadError(message);
    case "RefusedError":
      return new RefusedError(message);
  }
  const error = new Error(message);
  error.name = name;
  return error;
}
