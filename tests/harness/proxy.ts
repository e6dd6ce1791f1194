/** What becomes of a request, and of all that follows on its connection. */
export type Fate =
  /** It is answered. */
  | "answered"
  /** The server gets it; the connection stays open and silent. */
  | "answer vanishes"
  /** The server gets it; when it answers, the connection ends. */
  | "answer is cut off"
  /** The connection ends before the server gets it. */
  | "never arrives"
  /** Neither side hears of the other any more, also not that it has gone. */
  | "vanishes";

/** A way to a server on this machine on which requests and answers get lost. */
export class Proxy implements AsyncDisposable {
  /** Decides, request by request, what becomes of it. */
  decide: (request: string) => Fate = () => "answered";
  /** Resolves when nothing is held up any more. */
  #mended: Promise<void> | undefined;
  #mend: () => void = () => {};
  #loses = false;
  readonly #listener: Deno.TcpListener;
  readonly #port: number;
  readonly #connections = new Set<Deno.Conn>();
  readonly #accepting: Promise<void>;

  /**
   * @param port Of the server.
   * @param at Where the way begins. Default: at any port.
   */
  constructor(port: number, at = { hostname: "127.0.0.1", port: 0 }) {
    this.#port = port;
    this.#listener = Deno.listen(at);
    this.#accepting = this.#accept();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /**
   * Separates both sides: no connection ends, and none gets through. What is
   * sent meanwhile is lost, and its connection stays silent for ever, as behind
   * a firewall that forgot it; or it is late, and arrives at the end.
   */
  cut(what: "lost" | "late"): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#loses = what === "lost";
    this.#mended = promise;
    this.#mend = resolve;
  }

  /** Ends a {@linkcode cut}. */
  mend(): void {
    this.#mended = undefined;
    this.#mend();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.mend();
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
    const arrives = async () => {
      if (this.#mended !== undefined && this.#loses) fate = "vanishes";
      if (fate !== "vanishes") await this.#mended;
    };
    const carry = async (
      from: Deno.Conn,
      to: Deno.Conn,
      wanted: (bytes: Uint8Array) => boolean,
    ) => {
      await pass(from, to, async (bytes) => {
        await arrives();
        return fate !== "vanishes" && wanted(bytes);
      });
      await arrives();
      // Either end takes the other with it.
      this.#end(from, ...fate === "vanishes" ? [] : [to]);
    };
    await Promise.all([
      carry(client, server, (bytes) => {
        if (fate === "answered") fate = this.decide(decoder.decode(bytes));
        if (fate === "never arrives") this.#end(client, server);
        return fate !== "vanishes";
      }),
      carry(server, client, () => {
        if (fate === "answer is cut off") this.#end(client);
        return fate === "answered";
      }),
    ]);
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
  wanted: (bytes: Uint8Array) => Promise<boolean>,
): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (;;) {
      const length = await from.read(buffer);
      if (length === null) return;
      let rest = buffer.subarray(0, length);
      if (!await wanted(rest)) continue;
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
