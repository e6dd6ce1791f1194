import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { printDsn } from "../broker/dsn.ts";
import { ArgumentError } from "../errors.ts";
import { DEFAULT_QUEUE } from "../job/policy.ts";
import { lifecycleLog } from "../log.ts";
import { Master } from "../master/master.ts";
import type { WorkerObserver, WorkerState } from "../master/observer.ts";
import { PidFile } from "../master/pid_file.ts";
import { listenToSignals, type SignalAction } from "../master/signals.ts";
import { watchFiles } from "../master/watch.ts";
import type { ListenAddress } from "../metrics/server.ts";
import { startLogging } from "./log.ts";
import { chosenDsn, chosenRoot } from "./options.ts";
import { chosenPermissions } from "./permissions.ts";
import { printError } from "./print_error.ts";
import { isTracing } from "../tracing.ts";
import type { RunOptions } from "./run.ts";
import { StderrLines } from "./stderr.ts";
import { workerCommand } from "./worker_command.ts";

/**
 * What `mqk run` does: a master, until nothing is left or a signal ends it.
 * Resolves with the exit code.
 */
export async function serve(
  modules: readonly string[],
  options: RunOptions,
): Promise<number> {
  const root = chosenRoot(options.root);
  const { use = [] } = options;
  checkModules(modules, root, "serve module");
  checkModules(use, root, "use middleware");
  const dsn = chosenDsn(options, root);
  const verbosity = options.quiet || options.quite
    ? -1
    : Math.min(options.verbose, 3);
  const lines = new StderrLines();
  await using log = startLogging({
    verbosity,
    format: options.logFormat,
    lines,
  });
  if (Deno.env.get("OTEL_DENO") === "true" && !isTracing()) {
    lifecycleLog.warning(
      "OTEL_DENO has no effect: this program was compiled without it.",
    );
  }
  using _pidFile = options.pid === undefined ? null : new PidFile(options.pid);
  const queues = [...options.queue?.keys() ?? [DEFAULT_QUEUE]];
  const metrics = options.metrics === undefined
    ? undefined
    : await openMetrics(options.metrics, queues, () => master.workers);
  await using _server = metrics?.server;
  const master: Master = new Master({
    command: workerCommand(root, modules, options),
    workers: options.workers,
    startTogether: navigator.hardwareConcurrency,
    config: {
      dsn: printDsn(dsn),
      queues,
      weights: weightsOf(options.queue),
      root,
      modules,
      use,
      allowImport: options.allowImport ?? [],
      permissions: chosenPermissions(options),
      reloadBeforeMs: options.reload ? Date.now() : undefined,
      maxMemoryMb: options.maxMemory,
      maxJobs: options.maxJobs,
      concurrency: options.concurrency,
      fast: options.fast ?? false,
      burst: options.burst ?? false,
      shutdownTimeoutMs: options.shutdownTimeout * 1000,
      verbosity,
      logFormat: options.logFormat,
      numbers: metrics !== undefined,
    },
    passOn: (line) => log.passOn(line),
    observer: metrics?.observer,
  });
  using _signals = listenToSignals((action) => act(master, action), {
    terminal: Deno.stdin.isTerminal(),
  });
  using _watch = options.watch
    ? watchFiles(
      root,
      () => master.replaceWorkers(),
      dsn.kind === "sqlite" ? [dsn.path] : [],
    )
    : null;
  const end = await master.run();
  await lines.flush();
  if (end.line !== undefined) printError(end.line);
  return end.exitCode;
}

/** Serves what the workers tell; none are there yet. */
async function openMetrics(
  address: ListenAddress,
  queues: readonly string[],
  workers: () => WorkerState[],
): Promise<{ server: AsyncDisposable; observer: WorkerObserver }> {
  const { MetricsServer } = await import("../metrics/server.ts");
  const { WorkerMetrics } = await import("../metrics/worker_metrics.ts");
  const observer = new WorkerMetrics(queues);
  const server = new MetricsServer(address, {
    metrics: () => observer.metrics(workers()),
    health: () => observer.health(workers()),
  });
  lifecycleLog.info("Metrics at {url}", { url: server.url });
  return { server, observer };
}

function weightsOf(
  queues: RunOptions["queue"],
): Record<string, number> | undefined {
  const weights = [...queues ?? []]
    .flatMap(([name, weight]) => weight === undefined ? [] : [[name, weight]]);
  return weights.length === 0 ? undefined : Object.fromEntries(weights);
}

/**
 * Whether the named files are there: workers look again at each call, since a
 * deploy may replace them, so a misspelt one would only fail its jobs.
 *
 * @throws {ArgumentError} If one is not.
 */
function checkModules(
  modules: readonly string[],
  root: string,
  wish: string,
): void {
  for (const module of modules) {
    if (/^[a-z][a-z0-9+.-]+:/i.test(module)) continue;
    if (!existsSync(resolve(root, module))) {
      throw new ArgumentError(
        `Cannot ${wish} ${module}: there is no such file below ${root}`,
      );
    }
  }
}

function act(master: Master, action: SignalAction): void {
  switch (action) {
    case "stop":
      return master.stop();
    case "quit":
      return master.quit();
    case "more":
      return master.addWorker();
    case "fewer":
      return master.removeWorker();
    case "replace":
      return master.replaceWorkers();
  }
}
