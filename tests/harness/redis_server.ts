import { createClient } from "npm:@redis/client@6.3.1";
import { eventually } from "./eventually.ts";
import { TempDir } from "./temp_dir.ts";

/** How a test wants its server. */
export interface RedisServerOptions {
  /** Settings as on the command line: `["--maxmemory", "4mb"]`. */
  readonly config?: readonly string[];
  /** Whether what is stored survives `kill` and `restart`. Default false. */
  readonly aof?: boolean;
  readonly password?: string;
  /** Whether it can be a node of a cluster. Default false. */
  readonly cluster?: boolean;
  /** Variables of the process, besides those of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

type Client = ReturnType<typeof newClient>;

/** A Redis server of one test, with a port and a folder of its own. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #busPort: number | undefined;
  /** `redis://...`, with the password if it has one. */
  readonly url: string;
  readonly #options: RedisServerOptions;
  readonly #folder = new TempDir();
  #process: Deno.ChildProcess | undefined;
  #client: Client | undefined;

  private constructor(options: RedisServerOptions) {
    this.#options = options;
    this.port = freePort();
    this.#busPort = options.cluster ? freePort() : undefined;
    const user = options.password === undefined ? "" : `:${options.password}@`;
    this.url = `redis://${user}127.0.0.1:${this.port}`;
  }

  /** Starts a server and waits until it answers. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    for (let tries = 1;; tries++) {
      const server = new RedisServer(options);
      try {
        await server.restart();
        return server;
      } catch (error) {
        await server[Symbol.asyncDispose]();
        // Another process may have taken the port in between.
        if (tries === 3) throw error;
      }
    }
  }

  /** The port on which nodes of a cluster speak with each other. */
  get busPort(): number {
    if (this.#busPort === undefined) throw new Error("It is no node");
    return this.#busPort;
  }

  /** The same as {@linkcode url}. */
  get dsn(): string {
    return this.url;
  }

  /** Number of the process that runs now. */
  get pid(): number {
    if (this.#process === undefined) throw new Error("The server has ended");
    return this.#process.pid;
  }

  /** Sends one command, past the broker; rejects with what the server says. */
  async call(...args: (string | number)[]): Promise<unknown> {
    if (this.#client === undefined) {
      const client = newClient(this.url);
      client.on("error", () => {
        if (this.#client === client) this.#client = undefined;
      });
      await client.connect();
      this.#client = client;
    }
    return await this.#client.sendCommand(args.map(String));
  }

  /** Suspends it: connections stay open, nothing is answered. */
  pause(): void {
    Deno.kill(this.pid, "SIGSTOP");
  }

  /** Ends a {@linkcode pause}. */
  resume(): void {
    Deno.kill(this.pid, "SIGCONT");
  }

  /** Ends it in an orderly way. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Ends it at once; what is not in its file is gone. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Starts it on the same port and folder; kills it first if it runs. */
  async restart(): Promise<void> {
    await this.kill();
    const { config = [], aof = false, password, env } = this.#options;
    const args = [
      ["--port", String(this.port)],
      ["--bind", "127.0.0.1"],
      ["--dir", this.#folder.path],
      ["--save", ""],
      ["--appendonly", aof ? "yes" : "no"],
      ["--appendfsync", "always"],
      password === undefined ? [] : ["--requirepass", password],
      this.#busPort === undefined ? [] : [
        ...["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"],
        ...["--cluster-port", String(this.#busPort)],
      ],
      config,
    ].flat();
    const process = this.#process = new Deno.Command("redis-server", {
      args,
      env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let ended = false;
    process.status.then(() => ended = true);
    await eventually(async () => {
      if (ended) return "ended";
      await this.call("PING");
      // A server of another test may have been faster on this port.
      const info = String(await this.call("INFO", "server"));
      return info.includes(`\r\nprocess_id:${process.pid}\r\n`);
    }).then((result) => {
      if (result === "ended") {
        throw new Error(`redis-server ended at once: ${args.join(" ")}`);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #end(signal: Deno.Signal): Promise<void> {
    this.#client?.destroy();
    this.#client = undefined;
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    try {
      process.kill(signal);
    } catch {
      // It has ended by itself.
    }
    await process.status;
  }
}

/** A port that nobody listens on at this moment. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Sends one command to any server or sentinel, on a connection of its own. */
export async function callOnce(
  port: number,
  ...args: string[]
): Promise<unknown> {
  const client = newClient(`redis://127.0.0.1:${port}`);
  client.on("error", () => {});
  try {
    await client.connect();
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

// The return type is what createClient gives for these options.
// deno-lint-ignore explicit-function-return-type
function newClient(url: string) {
  return createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    socket: { reconnectStrategy: false },
    disableClientInfo: true,
    maintNotifications: "disabled",
  });
}
