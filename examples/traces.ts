/**
 * `deno run -A traces.ts`: what a trace of a job shows. Sends one and runs it,
 * both with Deno's own OpenTelemetry, and prints the spans that it collects.
 *
 * @module
 */
import { invoke } from "@mqk/core";

interface Span {
  readonly name: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

const HERE = import.meta.dirname!;

/** Runs Deno with its telemetry on, and waits until it has ended. */
async function traced(collector: string, dsn: string, ...args: string[]) {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", ...args],
    cwd: HERE,
    env: {
      MQK_DSN: dsn,
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector,
    },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

function printTree(spans: readonly Span[], parent = "", indent = ""): void {
  const below = spans.filter(({ parentSpanId = "" }) => parentSpanId === parent)
    .sort((a, b) => a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1);
  for (const { name, spanId, startTimeUnixNano, endTimeUnixNano } of below) {
    const ms = Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) /
      1e6;
    console.log(`${(indent + name).padEnd(24)} ${ms.toFixed(1)} ms`);
    printTree(spans, spanId, indent + "  ");
  }
}

async function main(): Promise<void> {
  const spans: Span[] = [];
  // A collector, as it would be for Jaeger or Grafana, and a page to fetch.
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      if (request.method === "GET") {
        return new Response("<title>A page</title>");
      }
      const { resourceSpans = [] } = await request.json();
      // deno-lint-ignore no-explicit-any
      spans.push(...resourceSpans.flatMap(({ scopeSpans }: any) =>
        // deno-lint-ignore no-explicit-any
        scopeSpans.flatMap(({ spans }: any) => spans)
      ));
      return Response.json({});
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const folder = await Deno.makeTempDir();
  try {
    const dsn = `sqlite:${folder}/queue.sqlite`;
    await traced(url, dsn, "traces.ts", "send", url);
    await traced(url, dsn, "../cli.ts", "run", "--burst", "-w", "1");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  printTree(spans);
}

if (Deno.args[0] === "send") {
  await invoke("./jobs/page.ts#title", Deno.args[1]);
} else await main();
