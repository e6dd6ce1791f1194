import { join } from "node:path";

/** What a program has asked for with one `Deno.cron`. */
export interface Registration {
  readonly name: string;
  /** The cron expression, as Deno reads it. */
  readonly schedule: string;
  /** Milliseconds before each further attempt. */
  readonly backoffSchedule?: readonly number[];
}

/** How a program is run. */
export interface CronProgramOptions {
  /** The program that is Deno, and its arguments up to the program. */
  readonly deno: string;
  readonly args: readonly string[];
  registered(registration: Registration): void;
}

/** From the runtime, a JSON object a line. */
type FromRuntime =
  | {
    readonly kind: "register";
    readonly crons: readonly {
      readonly name: string;
      readonly schedule: string;
      readonly backoff_schedule?: readonly number[];
    }[];
  }
  | {
    readonly kind: "result";
    readonly name: string;
    readonly success: boolean;
  };

const END_MS = 5_000;

/**
 * A program that calls `Deno.cron`, in a process of its own. Its runtime leaves
 * it to us when a handler is called: it connects to the socket that is named in
 * `DENO_UNSTABLE_CRON_SOCK`, says there what the program has registered, and
 * calls a handler when it is told to.
 */
export class CronProgram implements AsyncDisposable {
  /** Resolves with the exit code when the program has ended. */
  readonly ended: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #registered: (registration: Registration) => void;
  readonly #resources: AsyncDisposableStack;
  readonly #running = new Map<string, (success: boolean) => void>();
  /** By the names that were registered there; a Web Worker has its own. */
  readonly #connections = new Map<string, Deno.Conn>();

  private constructor(
    { deno, args, registered }: CronProgramOptions,
    address: string,
    resources: AsyncDisposableStack,
  ) {
    this.#registered = registered;
    this.#resources = resources;
    this.#child = new Deno.Command(deno, {
      args: [...args],
      env: { DENO_UNSTABLE_CRON_SOCK: address },
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    this.ended = this.#child.status.then(({ code }) => code);
  }

  /**
   * Starts a program.
   *
   * @throws {Error} If there is no Deno to run it.
   */
  static start(options: CronProgramOptions): CronProgram {
    const resources = new AsyncDisposableStack();
    const [listener, address] = listen(resources);
    try {
      const program = new CronProgram(options, address, resources);
      void program.#accept(listener);
      return program;
    } catch (error) {
      void resources.disposeAsync();
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Error(
        `Cannot run the program: it needs Deno, and there is no ${options.deno}`,
        { cause: error },
      );
    }
  }

  /** Whether a handler runs now, called by us. */
  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  /**
   * Calls the handler of a name, which must not be running; resolves when it
   * has ended, with `false` if it threw or the program ended.
   */
  async call(name: string): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#running.set(name, resolve);
    try {
      const line = JSON.stringify({ kind: "invoke", name });
      await write(this.#connections.get(name), line);
      return await promise;
    } catch {
      // The connection is lost, as the program has ended.
      return false;
    } finally {
      this.#running.delete(name);
    }
  }

  /** Ends the program. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill("SIGTERM");
    const timer = setTimeout(() => this.#kill("SIGKILL"), END_MS);
    await this.ended;
    clearTimeout(timer);
    await this.#resources.disposeAsync();
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    try {
      for await (const connection of listener) void this.#read(connection);
    } catch {
      // It was closed.
    }
  }

  async #read(connection: Deno.Conn): Promise<void> {
    let rest = "";
    try {
      const texts = connection.readable.pipeThrough(new TextDecoderStream());
      for await (const text of texts) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.#heard(JSON.parse(line), connection);
      }
    } catch {
      // As if it had been closed.
    }
    for (const [name, own] of this.#connections) {
      if (own !== connection) continue;
      this.#connections.delete(name);
      this.#running.get(name)?.(false);
    }
  }

  #heard(message: FromRuntime, connection: Deno.Conn): void {
    if (message.kind === "result") {
      this.#running.get(message.name)?.(message.success);
    } else if (message.kind === "register") {
      for (const cron of message.crons) {
        const { name, schedule, backoff_schedule: backoffSchedule } = cron;
        this.#connections.set(name, connection);
        this.#registered({ name, schedule, backoffSchedule });
      }
    }
  }
}

/** A socket that only this user can reach, and its name for the runtime. */
function listen(resources: AsyncDisposableStack): [Deno.Listener, string] {
  if (Deno.build.os === "windows") {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    resources.defer(() => listener.close());
    const { port } = listener.addr as Deno.NetAddr;
    return [listener, `tcp:127.0.0.1:${port}`];
  }
  const folder = Deno.makeTempDirSync({ prefix: "mqk-cron-" });
  resources.defer(() => Deno.removeSync(folder, { recursive: true }));
  const path = join(folder, "socket");
  const listener = Deno.listen({ transport: "unix", path });
  resources.defer(() => listener.close());
  return [listener, `unix:${path}`];
}

async function write(
  connection: Deno.Conn | undefined,
  line: string,
): Promise<void> {
  if (connection === undefined) throw new Error("It is not connected");
  let bytes = new TextEncoder().encode(line + "\n");
  while (bytes.length > 0) {
    bytes = bytes.subarray(await connection.write(bytes));
  }
}
