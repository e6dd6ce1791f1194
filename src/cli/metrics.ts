import { Command, Option } from "npm:commander@15.1.0";
import type { ListenAddress } from "../metrics/server.ts";
import {
  addStoreOptions,
  chosenDsn,
  listenAddress,
  queuesOption,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";

const HELP = `
Prints once, or with --listen serves /metrics and /healthz until it is told to
stop, what the store knows of its queues: the same for all workers, so one of it
is enough. What workers know of their jobs \`mqk run --metrics\` serves.

Examples:
  mqk metrics
  mqk metrics --listen :9091 -s redis://127.0.0.1/0`;

interface MetricsOptions extends StoreOptions {
  readonly queue?: string[];
  readonly listen?: ListenAddress;
}

/** `mqk metrics`: how it stands with the queues, for Prometheus. */
export function metricsCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("metrics"))
    .description("how it stands with the queues, as text for Prometheus")
    .addOption(queuesOption("these queues only (default: all)"))
    .addOption(
      new Option(
        "--listen <[host]:port>",
        "serve it; without a host on all addresses",
      ).argParser(listenAddress),
    )
    .addHelpText("after", HELP)
    .action(async (options: MetricsOptions) => {
      await metrics(options);
      setExitCode(0);
    });
}

async function metrics(options: MetricsOptions): Promise<void> {
  const { openInspector } = await import("../broker/open.ts");
  const { storeMetrics } = await import("../metrics/store_metrics.ts");
  await using inspector = await openInspector(chosenDsn(options));
  const look = () => storeMetrics(inspector, options.queue);
  if (options.listen === undefined) {
    const { printMetrics } = await import("../metrics/exposition.ts");
    const text = await printMetrics(await look());
    await Deno.stdout.write(new TextEncoder().encode(text));
    return;
  }
  const { MetricsServer } = await import("../metrics/server.ts");
  const { listenToSignals } = await import("../master/signals.ts");
  const stopped = Promise.withResolvers<void>();
  using _signals = listenToSignals((action) => {
    if (action === "stop" || action === "quit") stopped.resolve();
  }, { terminal: Deno.stdin.isTerminal() });
  await using server = new MetricsServer(options.listen, {
    metrics: look,
    // What can't be looked at is not well: the server answers with the error.
    health: async () => {
      await look();
      return [];
    },
  });
  console.log(server.url);
  await stopped.promise;
}
