/** What becomes of a request, and of all that follows on its connection. */
export type Fate =
  /** It is answered. */
  | "answered"
  /** The server gets it; the connection stays open and silent. */
  | "answer vanishes"
  /** The server gets it; when it answers, the connection ends. */
  | "answer is cut off"
  /** The connection ends before the server gets it. */
  | "never arrives";

/** A way to a server on this machine on which requests and answers get lost. */
export class Proxy implements AsyncDisposable {
  /** Decides, request by request, what becomes of it. */
  decide: (request: string) => Fate = () => "answered";
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #port: number;
  readonly #connections = new Set<Deno.Conn>();
  readonly #accepting: Promise<void>;

  /** @param port Of the server. */
  constructor(port: number) {
    this.#port = port;
    this.#accepting = this.#accept();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const serving: Promise<void>[] = [];
    for await (const client of this.#listener) {
      serving.push(this.#serve(client));
    }
    await Promise.all(serving);
  }

  async #serve(client: Deno.Conn): Promise<void> {
    this.#connections.add(client);
    let server: Deno.Conn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    } catch {
      return this.#end(client);
    }
    this.#connections.add(server);
    let fate: Fate = "answered";
    const decoder = new TextDecoder();
    const requests = pass(client, server, (bytes) => {
      if (fate === "answered") fate = this.decide(decoder.decode(bytes));
      if (fate === "never arrives") this.#end(client, server);
      return true;
    });
    const replies = pass(server, client, () => {
      if (fate === "answer is cut off") this.#end(client);
      return fate === "answered";
    });
    // Either end takes the other with it.
    const ended = [requests, replies].map((way) =>
      way.then(() => this.#end(client, server))
    );
    await Promise.all(ended);
  }

  #end(...connections: readonly Deno.Conn[]): void {
    for (const connection of connections) {
      this.#connections.delete(connection);
      close(connection);
    }
  }
}

/** Passes on what `wanted` allows until one side ends. */
async function pass(
  from: Deno.Conn,
  to: Deno.Conn,
  wanted: (bytes: Uint8Array) => boolean,
): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (;;) {
      const length = await from.read(buffer);
      if (length === null) return;
      let rest = buffer.subarray(0, length);
      if (!wanted(rest)) continue;
      while (rest.length > 0) rest = rest.subarray(await to.write(rest));
    }
  } catch {
    // The connection is gone.
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}
