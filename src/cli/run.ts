import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, Option } from "npm:commander@15.1.0";
import { type Dsn, printDsn } from "../broker/dsn.ts";
import { ArgumentError } from "../errors.ts";
import { DEFAULT_QUEUE } from "../job/policy.ts";
import { Master } from "../master/master.ts";
import { PidFile } from "../master/pid_file.ts";
import { listenToSignals, type SignalAction } from "../master/signals.ts";
import { watchFiles } from "../master/watch.ts";
import type { WorkerCommand } from "../master/worker_process.ts";
import { startLogging } from "./log.ts";
import {
  chosenDsn,
  chosenRoot,
  dsnOption,
  importUrls,
  queuesOption,
  seconds,
  type SetExitCode,
  wholeNumber,
} from "./options.ts";
import { printError } from "./print_error.ts";
import { StderrLines } from "./stderr.ts";

const HELP = `
Signals: TERM, INT: let jobs end, then exit; QUIT, second INT: exit now;
  TTIN, TTOU: one worker more, fewer; HUP: replace the workers one by one with
  fresh code (on a terminal: as TERM).

Exit codes: 0 done; 1 it can't work, or with --burst a job that it ran went to
  the failed set; 2 wrong usage.

Examples:
  mqk run                        jobs of this folder, one worker per core
  mqk run -w 4 --queue high --queue low -s redis://127.0.0.1/0
  mqk run jobs/mail.ts --burst   until nothing is left`;

interface RunOptions {
  readonly workers: number;
  readonly concurrency: number;
  readonly burst?: true;
  readonly fast?: true;
  readonly quiet?: true;
  readonly quite?: true;
  readonly verbose: number;
  readonly logFormat: "text" | "json";
  readonly watch?: true;
  readonly queue?: string[];
  readonly redisDsn?: Dsn;
  readonly root?: string;
  readonly allowImport?: string[];
  readonly pid?: string;
  readonly shutdownTimeout: number;
}

/** `mqk run`: starts workers and keeps them alive. */
export function runCommand(setExitCode: SetExitCode): Command {
  const cores = navigator.hardwareConcurrency;
  return new Command("run")
    .description("run jobs: start workers and keep them alive")
    .argument("[module...]", "the only modules that may be called")
    .option(
      "-w, --workers <n>",
      "how many worker processes",
      wholeNumber(1, 1000),
      cores,
    )
    .option(
      "--concurrency <n>",
      "asynchronous jobs at once in one worker",
      wholeNumber(1, 1000),
      10,
    )
    .option("-b, --burst", "run until nothing is left, then exit")
    .option("-f, --fast", "at most once: no lease, no retry")
    .option("-q, --quiet", "log warnings only")
    .addOption(new Option("--quite", "as --quiet").hideHelp())
    .addOption(
      new Option(
        "-v, --verbose",
        "log every job; -vv: each job's life; -vvv: broker commands",
      ).argParser((_, before: number) => before + 1).default(0, "0"),
    )
    .addOption(
      new Option("--log-format <format>", "how log lines look")
        .choices(["text", "json"]).default("text"),
    )
    .option("--watch", "do what HUP does when a file below the root changes")
    .addOption(queuesOption(
      `serve this queue (default: ${DEFAULT_QUEUE}), in strict order`,
    ))
    .addOption(dsnOption())
    .option(
      "--root <dir>",
      "job modules lie below it (default: folder of the nearest deno.json)",
    )
    .addOption(
      new Option(
        "--allow-import <url>",
        "remote modules under this URL may be called; repeatable",
      ).argParser(importUrls),
    )
    .option("--pid <file>", "write the process number to this file")
    .option(
      "--shutdown-timeout <seconds>",
      "how long running jobs may take to end",
      seconds(0, 86_400),
      25,
    )
    .addHelpText("after", HELP)
    .action(async (modules: string[], options: RunOptions) => {
      setExitCode(await run(modules, options));
    });
}

async function run(modules: string[], options: RunOptions): Promise<number> {
  const root = chosenRoot(options.root);
  checkModules(modules, root);
  const dsn = chosenDsn(options.redisDsn, root);
  const verbosity = options.quiet || options.quite
    ? -1
    : Math.min(options.verbose, 3);
  const lines = new StderrLines();
  await using log = startLogging({
    verbosity,
    format: options.logFormat,
    lines,
  });
  using _pidFile = options.pid === undefined ? null : new PidFile(options.pid);
  const master = new Master({
    command: workerCommand(root),
    workers: options.workers,
    startTogether: navigator.hardwareConcurrency,
    config: {
      dsn: printDsn(dsn),
      queues: options.queue ?? [DEFAULT_QUEUE],
      root,
      modules,
      allowImport: options.allowImport ?? [],
      concurrency: options.concurrency,
      fast: options.fast ?? false,
      burst: options.burst ?? false,
      shutdownTimeoutMs: options.shutdownTimeout * 1000,
      verbosity,
      logFormat: options.logFormat,
    },
    passOn: (line) => log.passOn(line),
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

/**
 * Whether the named files are there: workers look again at each call, since a
 * deploy may replace them, so a misspelt one would only fail its jobs.
 *
 * @throws {ArgumentError} If one is not.
 */
function checkModules(modules: readonly string[], root: string): void {
  for (const module of modules) {
    if (/^[a-z][a-z0-9+.-]+:/i.test(module)) continue;
    if (!existsSync(resolve(root, module))) {
      throw new ArgumentError(
        `Cannot serve module ${module}: there is no such file below ${root}`,
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

/** How a worker is started: as this program, with the job code's settings. */
function workerCommand(root: string): WorkerCommand {
  const path = Deno.execPath();
  if (Deno.build.standalone) return { path, args: ["work"] };
  const config = ["deno.json", "deno.jsonc"].map((name) => join(root, name))
    .find((file) => existsSync(file));
  return {
    path,
    args: [
      "run",
      "--quiet",
      "--allow-all",
      "--unstable-worker-options",
      // Without a project the lock file would be this program's own.
      ...(config === undefined ? ["--no-lock"] : ["--config", config]),
      new URL("../../cli.ts", import.meta.url).href,
      "work",
    ],
  };
}
