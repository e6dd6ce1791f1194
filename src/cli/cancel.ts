import { Command } from "npm:commander@15.1.0";
import { printDsn } from "../broker/dsn.ts";
import { parseHandle } from "../client/handle.ts";
import {
  addStoreOptions,
  chosenDsn,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { printError } from "./print_error.ts";

const HELP = `
A job that waits never starts. One that runs gets its signal within about a
second, and is stopped half a second later if it goes on.

Exit codes: 0 cancelled; 1 a job had ended before; 2 wrong usage.

Example:
  mqk cancel $(mqk invoke --delay 60 mqk:calculator#sum 1 2)`;

/** `mqk cancel`: cancels jobs. */
export function cancelCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("cancel"))
    .description("cancel jobs")
    .argument("<handle...>", "what mqk invoke printed")
    .addHelpText("after", HELP)
    .action(async (handles: string[], options: StoreOptions) => {
      setExitCode(await cancel(handles, options));
    });
}

async function cancel(
  handles: readonly string[],
  options: StoreOptions,
): Promise<number> {
  handles.forEach(parseHandle);
  const { connect } = await import("../client/client.ts");
  await using client = connect(printDsn(chosenDsn(options)));
  let exitCode = 0;
  for (const job of handles.map((handle) => client.job(handle))) {
    if (await job.cancel()) console.log(job.id);
    else {
      printError(`Cannot cancel job ${job.id}: it had ended`);
      exitCode = 1;
    }
  }
  return exitCode;
}
