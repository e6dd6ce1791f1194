import { Command } from "npm:commander@15.1.0";
import { JOB_STATES } from "../broker/inspector.ts";
import { printDuration } from "./duration.ts";
import { FailureGroups, GROUP_COLUMNS } from "./failure_groups.ts";
import { jobJson } from "./job_json.ts";
import {
  addFilterOptions,
  isNarrowed,
  type JobFilter,
  JobSelection,
} from "./job_selection.ts";
import { localTime } from "./local_time.ts";
import {
  addStoreOptions,
  chosenDsn,
  type SetExitCode,
  type StoreOptions,
  wholeNumber,
} from "./options.ts";
import { printError } from "./print_error.ts";
import { errorOf, type StoredJob } from "./stored_job.ts";
import { type Column, printTable } from "./table.ts";

const HELP = `
Failed jobs are grouped: those with the same error but for numbers, of the same
function. With --error, an id, or --json each is listed. At most 100,000 jobs of
each state of a queue are looked at.

scheduled  sent with a delay; retry: waits for its next attempt
ready      waits for a worker; suspect, crashed: as well, its worker died
held       a worker has reserved it
failed     used up its attempts

Exit codes: 0 done; 1 no job matches; 2 wrong usage.

Examples:
  mqk jobs --state failed --since 1d
  mqk jobs --queue high --state held
  mqk jobs --error ECONNREFUSED --json`;

/** So many jobs fit on a screen or two. */
const DEFAULT_LIMIT = 100;

interface JobsOptions extends StoreOptions, Omit<JobFilter, "ids"> {
  readonly limit?: number;
  readonly json?: true;
}

const COLUMNS: readonly Column<StoredJob>[] = [
  { title: "id", of: ({ id }) => id },
  { title: "queue", of: ({ record }) => record.queue },
  { title: "state", of: ({ record }) => record.state },
  {
    title: "attempt",
    right: true,
    of: ({ message, entry }) => entry?.attempts ?? message?.attempt,
  },
  {
    title: "sent",
    right: true,
    of: ({ message }) =>
      message?.sentMs === undefined
        ? undefined
        : printDuration(Math.max(0, Date.now() - message.sentMs)),
  },
  { title: "job", of: ({ message }) => message?.job },
  { title: "note", of: note },
];

/** `mqk jobs`: lists jobs. */
export function jobsCommand(setExitCode: SetExitCode): Command {
  const command = addStoreOptions(new Command("jobs"))
    .description("list jobs, failed ones grouped by their error");
  return addFilterOptions(command, JOB_STATES)
    .option(
      "--limit <n>",
      `list at most so many jobs (default: ${DEFAULT_LIMIT}; with --json all)`,
      wholeNumber(1, 10_000_000),
    )
    .option("--json", "print one JSON object a line")
    .addHelpText("after", HELP)
    .action(async (ids: string[], options: JobsOptions) => {
      setExitCode(await jobs({ ...options, ids }, options));
    });
}

async function jobs(
  filter: JobFilter,
  options: JobsOptions,
): Promise<number> {
  const { openInspector } = await import("../broker/open.ts");
  await using inspector = await openInspector(chosenDsn(options));
  const selection = new JobSelection(inspector, filter);
  const limit = options.limit ?? (options.json ? Infinity : DEFAULT_LIMIT);
  const isGrouped = !options.json && filter.error === undefined &&
    filter.ids!.length === 0;
  const listed: StoredJob[] = [];
  const groups = new FailureGroups();
  let found = 0;
  let toList = 0;
  for await (const job of selection) {
    found++;
    if (isGrouped && job.record.state === "failed") groups.add(job);
    else if (toList++ >= limit) continue;
    else if (options.json) console.log(JSON.stringify(jobJson(job)));
    else listed.push(job);
  }
  if (listed.length > 0) printTable(COLUMNS, listed);
  if (groups.size > 0) {
    if (listed.length > 0) console.log();
    printTable(GROUP_COLUMNS, groups);
  }
  if (toList > limit) {
    printError(`Listed ${limit} of ${toList} jobs: --limit lists more`);
  }
  for (const line of selection.unseen) printError(line);
  if (found > 0) return 0;
  const isAll = !isNarrowed(filter);
  printError(isAll ? "No queue has a job" : "No job matches");
  return isAll ? 0 : 1;
}

/** What else matters in its state. */
function note(job: StoredJob): string | undefined {
  const { state, atMs = 0, worker } = job.record;
  const error = errorOf(job);
  switch (state) {
    case "scheduled":
    case "retry": {
      const dueMs = atMs - Date.now();
      const due = dueMs <= 0 ? "due now" : `due in ${printDuration(dueMs)}`;
      return error === undefined ? due : `${due}, after ${error}`;
    }
    case "held":
      return `by ${worker}`;
    case "failed":
      return `${localTime(new Date(atMs))} ${error}`;
    default:
      return error && `after ${error}`;
  }
}
