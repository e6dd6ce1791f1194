/** What becomes of the answers from this request on. */
export type Answers =
  /** They arrive. */
  | "arrive"
  /** The server gets the request; the connection stays open and silent. */
  | "vanish"
  /** The server gets the request; when it answers, the connection ends. */
  | "cut";

/** A way to a server on this machine on which answers can be lost. */
export class Proxy implements AsyncDisposable {
  /** Decides, request by request, what becomes of the answers. */
  fate: (request: string) => Answers = () => "arrive";
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
    let answers: Answers = "arrive";
    const decoder = new TextDecoder();
    const requests = pass(client, server, (bytes) => {
      if (answers === "arrive") answers = this.fate(decoder.decode(bytes));
      return true;
    });
    const replies = pass(server, client, () => {
      if (answers === "cut") this.#end(client);
      return answers === "arrive";
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
