import type { Command } from "npm:commander@15.1.0";
import {
  addStoreOptions,
  queueOption,
  seconds,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { SandboxCommand, type SandboxOptions } from "./permissions.ts";

const HELP = `
Runs a program that calls Deno.cron, as it is, with Deno. Each cron becomes a
schedule (see mqk schedule), and of any number of such processes one calls its
handler for a due time. Options of mqk come before the program; what comes after
it are its arguments.

Signals: TERM, INT: let handlers end, then exit; QUIT, second INT: exit now.

Exit codes: that of the program, if it ends; 0 after a signal; 1 it can't be
  run, or a cron can't be a schedule; 2 wrong usage.

Examples:
  mqk cron main.ts
  mqk cron -s redis://127.0.0.1/0 --allow-net main.ts production`;

/** The options of `mqk cron`, as they are parsed. */
export interface CronOptions extends StoreOptions, SandboxOptions {
  readonly queue?: string;
  readonly quiet?: true;
  readonly verbose?: true;
  readonly shutdownTimeout: number;
}

/** `mqk cron`: runs a program that calls `Deno.cron`. */
export function cronCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new SandboxCommand("cron"))
    .description("run a program that calls Deno.cron")
    .argument("<program>", "the program, as for deno run")
    .argument("[argument...]", "its arguments")
    .passThroughOptions()
    .addOption(queueOption(
      "queue of this program alone (default: cron.<name of the program>)",
    ))
    .addSandboxOptions()
    .option("-q, --quiet", "log warnings only")
    .option("-v, --verbose", "log each call of a handler")
    .option(
      "--shutdown-timeout <seconds>",
      "how long running handlers may take to end",
      seconds(0, 86_400),
      25,
    )
    .addHelpText("after", HELP)
    .action(async (program: string, args: string[], options: CronOptions) => {
      const { serveCron } = await import("./serve_cron.ts");
      setExitCode(await serveCron(program, args, options));
    });
}
