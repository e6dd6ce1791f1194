import type { Command } from "npm:commander@15.1.0";
import { printDsn } from "../broker/dsn.ts";
import { JOB_STATES } from "../broker/inspector.ts";
import { changeCommand, EXIT_CODES } from "./change_jobs.ts";
import { cancelJob } from "./job_changes.ts";
import { chosenDsn, type SetExitCode, type StoreOptions } from "./options.ts";
import { printError } from "./print_error.ts";

const HELP = `
A job that waits never starts. One that runs gets its signal within about a
second, and is stopped half a second later if it goes on.
${EXIT_CODES}
Examples:
  mqk cancel $(mqk invoke --delay 60 mqk:calculator#sum 1 2)
  mqk cancel --queue reports --job ./jobs/report.ts --yes`;

/** `mqk cancel`: cancels jobs that have not ended. */
export function cancelCommand(setExitCode: SetExitCode): Command {
  const states = JOB_STATES.filter((state) => state !== "failed");
  return changeCommand({
    name: "cancel",
    done: "cancelled",
    states,
    usual: states,
    change: cancelJob,
    byHandle: cancelHandles,
  }, setExitCode)
    .description("cancel jobs: what waits never starts, what runs is stopped")
    .addHelpText("after", HELP);
}

/** Jobs that are named by their handles need not be looked for. */
async function cancelHandles(
  handles: readonly string[],
  options: StoreOptions & { readonly json?: true },
): Promise<number> {
  const { connect } = await import("../client/client.ts");
  await using client = connect(printDsn(chosenDsn(options)));
  let exitCode = 0;
  for (const job of handles.map((handle) => client.job(handle))) {
    if (!await job.cancel()) {
      printError(`Cannot cancel job ${job.id}: it has ended`);
      exitCode = 1;
    } else if (options.json) console.log(JSON.stringify({ cancel: job.id }));
    else console.log(job.id);
  }
  return exitCode;
}
