/** A span, as far as tests look at it. */
export interface CollectedSpan {
  readonly name: string;
  readonly kind: "internal" | "server" | "client" | "producer" | "consumer";
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it is the root of its trace. */
  readonly parentSpanId: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly failed: boolean;
  /** Messages of the exceptions that it recorded. */
  readonly exceptions: readonly string[];
}

const KINDS = ["", "internal", "server", "client", "producer", "consumer"];

/** Takes spans as a collector of OpenTelemetry does, over HTTP on loopback. */
export class OtlpCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  readonly #server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const { resourceSpans = [] } = await request.json();
      for (const { scopeSpans } of resourceSpans) {
        for (const { spans } of scopeSpans) {
          this.spans.push(...spans.map(collected));
        }
      }
      return Response.json({});
    },
  );

  /** Variables of a process that sends its spans here. */
  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
    };
  }

  /** The one span with this name, and perhaps this parent. */
  one(name: string, parent?: CollectedSpan): CollectedSpan {
    const found = this.spans.filter((span) =>
      span.name === name &&
      (parent === undefined || span.parentSpanId === parent.spanId)
    );
    if (found.length === 1) return found[0];
    throw new Error(
      `${found.length} spans are named "${name}" among:\n` +
        this.spans.map(({ name, kind }) => `${name} (${kind})`).join("\n"),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

// deno-lint-ignore no-explicit-any
function collected(span: any): CollectedSpan {
  return {
    name: span.name,
    kind: KINDS[span.kind] as CollectedSpan["kind"],
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? "",
    startMs: Number(span.startTimeUnixNano) / 1e6,
    endMs: Number(span.endTimeUnixNano) / 1e6,
    attributes: valuesOf(span.attributes),
    failed: span.status?.code === 2,
    exceptions: (span.events ?? []).map((
      // deno-lint-ignore no-explicit-any
      { attributes }: any,
    ) => valuesOf(attributes)["exception.message"]),
  };
}

function valuesOf(
  attributes: readonly { key: string; value: Record<string, unknown> }[] = [],
): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, Object.values(value)[0]]),
  );
}
