import { hidePassword } from "../hide_password.ts";
import { type Metric, METRICS_TYPE, printMetrics } from "./exposition.ts";

/** What is wrong; empty: nothing is. */
export type Health = readonly string[];

/** What a server shows. */
export interface MetricsSource {
  metrics(): Promise<Metric[]> | Metric[];
  health(): Promise<Health> | Health;
}

/** Where a server listens; without a host on all addresses of the machine. */
export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}

/** Serves `/metrics` for Prometheus, and `/healthz`, over HTTP. */
export class MetricsServer implements AsyncDisposable {
  /** Where the metrics are. */
  readonly url: string;
  readonly #source: MetricsSource;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #closing = new AbortController();

  /** @throws {Error} If the port is taken, or the address is not of here. */
  constructor(address: ListenAddress, source: MetricsSource) {
    this.#source = source;
    const { host = "0.0.0.0", port } = address;
    try {
      this.#server = Deno.serve({
        hostname: host,
        port,
        signal: this.#closing.signal,
        onListen: () => {},
      }, (request) => this.#answer(request));
    } catch (error) {
      const reason = error instanceof Deno.errors.AddrInUse
        ? "another program listens there"
        : (error as Error).message;
      throw new Error(
        `Cannot serve metrics at ${printAddress(address)}: ${reason}`,
        { cause: error },
      );
    }
    const { hostname, port: bound } = this.#server.addr;
    const reached = printAddress({ host: hostname, port: bound });
    this.url = `http://${reached}/metrics`;
  }

  /** Ends it; a request that is under way is cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#server.finished;
  }

  async #answer(request: Request): Promise<Response> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return text(405, "Only GET is served");
    }
    try {
      switch (new URL(request.url).pathname) {
        case "/metrics": {
          const printed = await printMetrics(await this.#source.metrics());
          const headers = { "content-type": METRICS_TYPE };
          return new Response(printed, { headers });
        }
        case "/healthz":
          return healthResponse(await this.#source.health());
        default:
          return text(404, "There is /metrics and /healthz");
      }
    } catch (error) {
      return text(503, hidePassword((error as Error).message));
    }
  }
}

/** `host:port`, as in a URL. */
function printAddress({ host = "", port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function healthResponse(reasons: Health): Response {
  const status = reasons.length === 0 ? "ok" : "unavailable";
  const body = JSON.stringify({ status, ...(reasons.length && { reasons }) });
  return new Response(body + "\n", {
    status: reasons.length === 0 ? 200 : 503,
    headers: { "content-type": "application/json" },
  });
}

function text(status: number, line: string): Response {
  return new Response(line + "\n", { status });
}
