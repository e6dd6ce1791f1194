import { Command } from "npm:commander@15.1.0";
import type { Inspector } from "../broker/inspector.ts";
import { ArgumentError } from "../errors.ts";
import { encodeMessage, isJobId } from "../job/message.ts";
import { localTime } from "./local_time.ts";
import {
  addStoreOptions,
  chosenDsn,
  queuesOption,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { printError } from "./print_error.ts";
import { readJob, type StoredJob } from "./stored_job.ts";

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
  const subcommand = (name: string, description: string) =>
    addStoreOptions(command.command(name))
      .description(description)
      .argument("[id...]", "ids of jobs")
      .addOption(queuesOption("look in this queue only (default: all)"))
      .option("--all", "all of them")
      .option("--json", "print one JSON object a line");
  subcommand("list", "print failed jobs, oldest first")
    .action(async (ids: string[], options: FailedOptions) => {
      setExitCode(await forEach(ids, options, list));
    });
  subcommand("retry", "put failed jobs back under their ids, with attempt 1")
    .action(async (ids: string[], options: FailedOptions) => {
      checkChoice(ids, options);
      setExitCode(await forEach(ids, options, retryOnce()));
    });
  subcommand("delete", "remove failed jobs for good")
    .action(async (ids: string[], options: FailedOptions) => {
      checkChoice(ids, options);
      setExitCode(await forEach(ids, options, remove));
    });
  return command;
}

function checkChoice(ids: readonly string[], options: FailedOptions): void {
  if ((ids.length > 0) === (options.all ?? false)) {
    throw new ArgumentError("Cannot choose the jobs: give ids, or else --all");
  }
}

/** Does one thing with one job; `false` if it could not. */
type Action = (
  inspector: Inspector,
  job: StoredJob,
  options: FailedOptions,
) => Promise<boolean>;

/** Acts on the chosen jobs, all if none is named; answers with the exit code. */
async function forEach(
  ids: readonly string[],
  options: FailedOptions,
  action: Action,
): Promise<number> {
  const { openInspector } = await import("../broker/open.ts");
  await using inspector = await openInspector(chosenDsn(options));
  const missing = new Set(ids);
  let exitCode = 0;
  for (const queue of options.queue ?? await inspector.queues()) {
    for await (const record of inspector.jobs(queue, "failed")) {
      const job = readJob(record);
      if (ids.length > 0 && !ids.includes(job.id)) continue;
      missing.delete(job.id);
      if (!await action(inspector, job, options)) exitCode = 1;
    }
  }
  for (const id of missing) {
    printError(`No failed job has the id ${id}`);
    exitCode = 1;
  }
  return exitCode;
}

// deno-lint-ignore require-await
async function list(
  _inspector: Inspector,
  job: StoredJob,
  options: FailedOptions,
): Promise<boolean> {
  console.log(options.json ? jsonLine(job) : textLine(job));
  return true;
}

/** Puts each job back once, even if it comes to the failed set again meanwhile. */
function retryOnce(): Action {
  const seen = new Set<string>();
  return (inspector, job, options) => {
    const key = `${job.record.queue} ${job.id}`;
    if (seen.has(key)) return Promise.resolve(true);
    seen.add(key);
    return retry(inspector, job, options);
  };
}

async function retry(
  inspector: Inspector,
  job: StoredJob,
  options: FailedOptions,
): Promise<boolean> {
  if (job.entry!.cut) {
    printError(
      `Cannot retry job ${job.id}: only the beginning of its message is kept`,
    );
    return false;
  }
  const message = job.message === undefined
    ? job.entry!.message
    : encodeMessage({ ...job.message, attempt: 1 });
  const id = isJobId(job.message?.id) ? job.message.id : undefined;
  const done = await inspector.replay(job.record, message, id);
  return tell(done, "retry", job, options);
}

async function remove(
  inspector: Inspector,
  job: StoredJob,
  options: FailedOptions,
): Promise<boolean> {
  const done = await inspector.remove(job.record);
  return tell(done, "delete", job, options);
}

/** Prints what was done; somebody else may have been faster. */
function tell(
  done: boolean,
  verb: string,
  { id, record }: StoredJob,
  options: FailedOptions,
): boolean {
  if (!done) {
    printError(`Cannot ${verb} job ${id}: it is not there any more`);
  } else if (options.json) {
    console.log(JSON.stringify({ [verb]: id, queue: record.queue }));
  } else {
    console.log(id);
  }
  return done;
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
