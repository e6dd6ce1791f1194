import { Command, CommanderError } from "npm:commander@15.1.0";
import denoJson from "../../deno.json" with { type: "json" };
import { ArgumentError } from "../errors.ts";
import { cancelCommand } from "./cancel.ts";
import { deleteCommand, retryCommand } from "./change_jobs.ts";
import { cronCommand } from "./cron.ts";
import { doctorCommand } from "./doctor.ts";
import { failedCommand } from "./failed.ts";
import { invokeCommand } from "./invoke.ts";
import { jobCommand } from "./job.ts";
import { jobsCommand } from "./jobs.ts";
import { limitCommand } from "./limit.ts";
import { metricsCommand } from "./metrics.ts";
import { monitorCommand } from "./monitor.ts";
import type { SetExitCode } from "./options.ts";
import { pauseCommand, resumeCommand } from "./pause.ts";
import { printError } from "./print_error.ts";
import { queuesCommand } from "./queues.ts";
import { runCommand } from "./run.ts";
import { scheduleCommand } from "./schedule.ts";
import { workersCommand } from "./workers.ts";

const EXAMPLES = `
Examples:
  mqk run                                   work on the jobs of this folder
  mqk invoke mqk:calculator#sum 1 2 --wait  send a job and print its result
  mqk monitor                               watch queues and workers
  mqk queues                                how it stands with each queue
  mqk workers                               which workers live
  mqk jobs --state failed                   jobs that failed, by their error
  mqk job HANDLE                            what is known of one job
  mqk retry ID                              run a job again that failed
  mqk schedule list                         jobs that are sent again and again
  mqk doctor                                is the store fit for jobs?

Exit codes: 0 done; 1 it could not be done, or a job failed; 2 wrong usage.`;

/**
 * Runs the program with these arguments; resolves with its exit code. A known
 * error is one line on stderr.
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  try {
    const mqk = program((code) => exitCode = code);
    await mqk.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      printError((error as Error).message ?? String(error));
      return error instanceof ArgumentError ? 2 : 1;
    }
    if (error.code === "commander.help") {
      printError(`missing command; see: mqk ${[...args, "--help"].join(" ")}`);
    }
    return error.exitCode === 0 ? 0 : 2;
  }
}

function program(setExitCode: SetExitCode): Command {
  const program = new Command("mqk")
    .description("background jobs as simple as a function call")
    .version(versions(), "--version", "print the versions")
    .addHelpText("after", EXAMPLES)
    .enablePositionalOptions();
  const commands = [
    runCommand(setExitCode),
    invokeCommand(setExitCode),
    monitorCommand(setExitCode),
    queuesCommand(setExitCode),
    workersCommand(setExitCode),
    jobsCommand(setExitCode),
    jobCommand(setExitCode),
    retryCommand(setExitCode),
    deleteCommand(setExitCode),
    failedCommand(setExitCode),
    cancelCommand(setExitCode),
    pauseCommand(setExitCode),
    resumeCommand(setExitCode),
    limitCommand(setExitCode),
    scheduleCommand(setExitCode),
    cronCommand(setExitCode),
    metricsCommand(setExitCode),
    doctorCommand(setExitCode),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      outputError: printError,
      // Help that nobody asked for: an error is one line.
      writeErr: () => {},
    });
  }
  return program;
}

/** What a report of a fault should name: this program, and what runs it. */
function versions(): string {
  const { deno, v8 } = Deno.version;
  return `mqk ${denoJson.version}\ndeno ${deno}\nv8 ${v8}`;
}

function* withSubcommands(command: Command): Generator<Command> {
  yield command;
  for (const child of command.commands) yield* withSubcommands(child);
}
