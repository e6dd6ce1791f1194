import { Command } from "npm:commander@15.1.0";
import type { Inspector } from "../broker/inspector.ts";
import { ArgumentError } from "../errors.ts";
import { changeAll } from "./change_jobs.ts";
import { deleteJob, retryJob } from "./job_changes.ts";
import { jobIds, JobSelection } from "./job_selection.ts";
import { localTime } from "./local_time.ts";
import {
  addStoreOptions,
  chosenDsn,
  queuesOption,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { printError } from "./print_error.ts";
import type { StoredJob } from "./stored_job.ts";

const HELP = `
An id is the job's, as \`mqk failed list\` prints it.

Exit codes: 0 done; 1 an id is unknown, or a job can't be put back; 2 wrong
  usage, e.g. neither id nor --all.

Examples:
  mqk failed list --queue high
  mqk failed retry --all
  mqk failed delete 0192a3b4.17`;

interface FailedOptions extends StoreOptions {
  readonly queue?: string[];
  readonly all?: true;
  readonly json?: true;
}

/** `mqk failed`: lists, replays and deletes jobs that used up their attempts. */
export function failedCommand(setExitCode: SetExitCode): Command {
  const command = new Command("failed")
    .description("jobs that used up their attempts: list, retry, delete")
    .addHelpText("after", HELP);
  const subcommand = (
    name: string,
    description: string,
    act: (ids: string[], options: FailedOptions) => Promise<number>,
  ) =>
    addStoreOptions(command.command(name))
      .description(description)
      .argument("[id...]", "ids or handles of jobs", jobIds)
      .addOption(queuesOption("look in this queue only (default: all)"))
      .option("--all", "all of them")
      .option("--json", "print one JSON object a line")
      .action(async (ids: string[], options: FailedOptions) => {
        setExitCode(await act(ids, options));
      });
  subcommand("list", "print failed jobs, oldest first", list);
  subcommand(
    "retry",
    "put failed jobs back under their ids, with attempt 1",
    (ids, options) => changeFailed("retry", ids, options),
  );
  subcommand(
    "delete",
    "remove failed jobs for good",
    (ids, options) => changeFailed("delete", ids, options),
  );
  return command;
}

async function changeFailed(
  name: "retry" | "delete",
  ids: string[],
  options: FailedOptions,
): Promise<number> {
  const { all = false, json } = options;
  if ((ids.length > 0) === all) {
    throw new ArgumentError("Cannot choose the jobs: give ids, or else --all");
  }
  const { openInspector } = await import("../broker/open.ts");
  await using inspector = await openInspector(chosenDsn(options));
  const jobs = selection(inspector, ids, options);
  const change = name === "retry" ? retryJob : deleteJob;
  const verb = { name, done: name, change };
  const telling = { ids, each: true, json, kind: "failed job" };
  return await changeAll(inspector, verb, jobs, telling);
}

async function list(
  ids: string[],
  options: FailedOptions,
): Promise<number> {
  const { openInspector } = await import("../broker/open.ts");
  await using inspector = await openInspector(chosenDsn(options));
  const missing = new Set(ids);
  for await (const job of selection(inspector, ids, options)) {
    missing.delete(job.id);
    console.log(options.json ? jsonLine(job) : textLine(job));
  }
  for (const id of missing) printError(`No failed job has the id ${id}`);
  return missing.size > 0 ? 1 : 0;
}

function selection(
  inspector: Inspector,
  ids: string[],
  { queue }: FailedOptions,
): JobSelection {
  return new JobSelection(inspector, { ids, queue, state: ["failed"] });
}

/** `0192a3b4.17 default 2017-07-11 08:30:23 x.ts#f (4 attempts): Error: no` */
export function textLine({ id, record, entry, message }: StoredJob): string {
  const { name, message: text } = entry!.error;
  const attempts = entry!.attempts === 1
    ? "1 attempt"
    : `${entry!.attempts} attempts`;
  return `${id} ${record.queue} ${localTime(new Date(record.atMs!))} ${
    message?.job ?? "?"
  } (${attempts}): ${name}: ${text}`.replace(/\p{Cc}+/gu, " ");
}

/** The same as JSON, with arguments and stack. */
export function jsonLine({ id, record, entry, message }: StoredJob): string {
  return JSON.stringify({
    id,
    queue: record.queue,
    time: new Date(record.atMs!).toISOString(),
    job: message?.job,
    args: message?.args,
    attempts: entry!.attempts,
    error: entry!.error,
    ...(message === undefined && { message: entry!.message }),
  });
}
