import { Command } from "npm:commander@15.1.0";
import type { Finding } from "../broker/diagnosis.ts";
import { printDsn } from "../broker/dsn.ts";
import { hidePassword } from "../hide_password.ts";
import {
  addStoreOptions,
  chosenDsn,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";

const HELP = `
A line says what was looked at and what was found: ok; warning: it works, and
could be better; problem: jobs can't run or can be lost; unknown: looking is not
allowed. It sends and settles one job on a queue of its own, which it takes
away.

Exit codes: 0 no problem; 1 a problem; 2 wrong usage.

Examples:
  mqk doctor
  mqk doctor -s redis://127.0.0.1/0 --json`;

interface DoctorOptions extends StoreOptions {
  readonly json?: true;
}

/** `mqk doctor`: says whether the store is fit for jobs, and what to change. */
export function doctorCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("doctor"))
    .description("look whether the store is fit for jobs, and what to change")
    .option("--json", "print one JSON object a line")
    .addHelpText("after", HELP)
    .action(async (options: DoctorOptions) => {
      setExitCode(await diagnose(options));
    });
}

async function diagnose(options: DoctorOptions): Promise<number> {
  const { diagnose } = await import("../broker/open.ts");
  const dsn = chosenDsn(options);
  if (!options.json) console.log(hidePassword(printDsn(dsn)));
  let exitCode = 0;
  for await (const finding of diagnose(dsn)) {
    if (finding.state === "problem") exitCode = 1;
    const line = options.json ? JSON.stringify(finding) : textLine(finding);
    console.log(hidePassword(line));
  }
  return exitCode;
}

function textLine({ check, state, found, advice }: Finding): string {
  const line = `${state.padEnd(8)} ${check.padEnd(16)} ${found}`;
  return advice === undefined ? line : `${line}; ${advice}`;
}
