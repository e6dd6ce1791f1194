import { type Command, Option } from "npm:commander@15.1.0";
import { DEFAULT_QUEUE } from "../job/policy.ts";
import type { ListenAddress } from "../metrics/server.ts";
import {
  addStoreOptions,
  importUrls,
  listenAddress,
  seconds,
  servedQueues,
  type SetExitCode,
  type StoreOptions,
  wholeNumber,
} from "./options.ts";
import { SandboxCommand, type SandboxOptions } from "./permissions.ts";

const HELP = `
Signals: TERM, INT: let jobs end, then exit; QUIT, second INT: exit now;
  TTIN, TTOU: one worker more, fewer; HUP: replace the workers one by one with
  fresh code (on a terminal: as TERM).

Sandbox: with any --allow-net, -read, -write, -env, -run, -sys or -ffi, job code
  may do what these say, read below the root, and nothing else. A list follows
  "=": --allow-net=example.com:443,127.0.0.1. Without any, it may do all.

Exit codes: 0 done; 1 it can't work, or with --burst a job that it ran went to
  the failed set; 2 wrong usage.

Examples:
  mqk run                        jobs of this folder, one worker per core
  mqk run -w 4 --queue high --queue low -s redis://127.0.0.1/0
  mqk run jobs/mail.ts --burst   until nothing is left`;

/** The options of `mqk run`, as they are parsed. */
export interface RunOptions extends SandboxOptions, StoreOptions {
  readonly workers: number;
  readonly concurrency: number;
  readonly burst?: true;
  readonly fast?: true;
  readonly quiet?: true;
  readonly quite?: true;
  readonly verbose: number;
  readonly logFormat: "text" | "json";
  readonly watch?: true;
  /** Names, and their weights if they have some. */
  readonly queue?: ReadonlyMap<string, number | undefined>;
  readonly root?: string;
  readonly use?: string[];
  readonly allowImport?: string[];
  readonly reload?: true;
  readonly maxMemory?: number;
  readonly maxJobs?: number;
  readonly pid?: string;
  readonly metrics?: ListenAddress;
  readonly shutdownTimeout: number;
}

/** `mqk run`: starts workers and keeps them alive. */
export function runCommand(setExitCode: SetExitCode): Command {
  const cores = navigator.hardwareConcurrency;
  return addStoreOptions(new SandboxCommand("run"))
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
    .addOption(
      new Option(
        "--queue <name[=weight]>",
        `serve this queue (default: ${DEFAULT_QUEUE}); repeatable: in strict\n` +
          "order, or if all have weights each first as often as its weight",
      ).argParser(servedQueues),
    )
    .option(
      "--root <dir>",
      "job modules lie below it (default: folder of the nearest deno.json)",
    )
    .addOption(
      new Option(
        "--use <module>",
        "run its default export around every job; repeatable, outermost first",
      ).argParser((module, before: string[] = []) => [...before, module]),
    )
    .addOption(
      new Option(
        "--allow-import <url>",
        "remote modules under this URL may be called; repeatable",
      ).argParser(importUrls),
    )
    .option("--reload", "fetch remote modules again that were kept")
    .addSandboxOptions()
    .option(
      "--max-memory <mb>",
      "replace a worker whose jobs use more than so many megabytes",
      wholeNumber(16, 1_000_000),
    )
    .option(
      "--max-jobs <n>",
      "replace a worker after so many jobs, without a gap",
      wholeNumber(1, 1_000_000_000),
    )
    .option("--pid <file>", "write the process number to this file")
    .addOption(
      new Option(
        "--metrics <[host]:port>",
        "serve /metrics for Prometheus, and /healthz; without a host on all\n" +
          "addresses",
      ).argParser(listenAddress),
    )
    .option(
      "--shutdown-timeout <seconds>",
      "how long running jobs may take to end",
      seconds(0, 86_400),
      25,
    )
    .addHelpText("after", HELP)
    .action(async (modules: string[], options: RunOptions) => {
      // Only here: all else that the program does needs none of it.
      const { serve } = await import("./serve.ts");
      setExitCode(await serve(modules, options));
    });
}
