import { Command } from "npm:commander@15.1.0";
import {
  type Inspector,
  JOB_STATES,
  type JobState,
} from "../broker/inspector.ts";
import { ArgumentError } from "../errors.ts";
import { deleteJob, type JobChange, retryJob } from "./job_changes.ts";
import {
  addFilterOptions,
  isNarrowed,
  type JobFilter,
  JobSelection,
} from "./job_selection.ts";
import {
  addStoreOptions,
  chosenDsn,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { printError } from "./print_error.ts";
import type { StoredJob } from "./stored_job.ts";

/** So many changes are under way at once. */
const CHANGES_AT_ONCE = 50;

/** A command that does one thing to many jobs. */
export interface ChangeVerb {
  readonly name: string;
  /** `retried`, for `2 jobs are retried`. */
  readonly done: string;
  /** Where jobs are that it can be done to. */
  readonly states: readonly JobState[];
  /** Where it looks if neither an id nor a state is named. */
  readonly usual: readonly JobState[];
  readonly change: JobChange;
  /** Does it to jobs that are all named by their handles; left out: as by id. */
  readonly byHandle?: (
    handles: readonly string[],
    options: StoreOptions & { readonly json?: true },
  ) => Promise<number>;
}

interface ChangeOptions extends StoreOptions, Omit<JobFilter, "ids"> {
  readonly yes?: true;
  readonly json?: true;
}

/** What the help of each of these commands says of its arguments and end. */
export const EXIT_CODES = `
An id is the job's, as mqk jobs prints it, or its handle. With a filter it is
said how many jobs match; only with --yes it is done. At most 100,000 jobs of
each state of a queue are looked at.

Exit codes: 0 done; 1 not done: no job matches, --yes is missing, a job can't
  be changed; 2 wrong usage.
`;

/** `mqk retry`: jobs that failed run again, others run now. */
export function retryCommand(setExitCode: SetExitCode): Command {
  return changeCommand({
    name: "retry",
    done: "retried",
    states: ["scheduled", "retry", "failed"],
    usual: ["retry", "failed"],
    change: retryJob,
  }, setExitCode)
    .description("run jobs again that failed, and run now what waits")
    .addHelpText(
      "after",
      `
A failed job runs again under its id, with attempt 1. One that waits for its
next attempt, or (with --state scheduled, or by id) for its time, is due now.
${EXIT_CODES}
Examples:
  mqk retry 0192a3b4.17
  mqk retry --error "connect ECONNREFUSED" --since 2h --yes`,
    );
}

/** `mqk delete`: removes jobs for good. */
export function deleteCommand(setExitCode: SetExitCode): Command {
  const states = JOB_STATES.filter((state) => state !== "held");
  return changeCommand({
    name: "delete",
    done: "deleted",
    states,
    usual: states,
    change: deleteJob,
  }, setExitCode)
    .description("remove jobs for good, unless a worker has them")
    .addHelpText(
      "after",
      `${EXIT_CODES}
Examples:
  mqk delete 0192a3b4.17
  mqk delete --queue bulk --state ready --job ./jobs/old.ts --yes`,
    );
}

/** A command that takes ids or filters, and does `verb` to what matches. */
export function changeCommand(
  verb: ChangeVerb,
  setExitCode: SetExitCode,
): Command {
  const command = addStoreOptions(new Command(verb.name));
  return addFilterOptions(command, verb.states)
    .option("--yes", "do it to all jobs that match the filter")
    .option("--json", "print one JSON object a line")
    .action(
      async (ids: string[], options: ChangeOptions, { args }: Command) => {
        // As they were given; of handles `ids` has the ids.
        const byHandle = args.length > 0 && args.every(isHandle)
          ? verb.byHandle
          : undefined;
        setExitCode(
          await byHandle?.(args, options) ?? await change(verb, ids, options),
        );
      },
    );
}

async function change(
  verb: ChangeVerb,
  ids: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  const filter: JobFilter = { ...options, ids };
  if (!isNarrowed(filter)) {
    throw new ArgumentError(
      `Cannot ${verb.name} all jobs: give ids, or a filter such as --queue`,
    );
  }
  const byId = ids.length > 0;
  const { openInspector } = await import("../broker/open.ts");
  await using inspector = await openInspector(chosenDsn(options));
  const selection = new JobSelection(
    inspector,
    filter,
    byId ? JOB_STATES : verb.usual,
  );
  const exitCode = !byId && !options.yes
    ? await count(verb, selection)
    : await changeAll(inspector, verb, selection, {
      ids,
      each: byId,
      json: options.json,
    });
  for (const line of selection.unseen) printError(line);
  return exitCode;
}

/** An id has no slash. */
function isHandle(text: string): boolean {
  return text.includes("/");
}

/** Says how many jobs would be changed. */
async function count(
  verb: ChangeVerb,
  selection: JobSelection,
): Promise<number> {
  const counts = new Map<JobState, number>();
  let all = 0;
  for await (const { record: { state } } of selection) {
    counts.set(state, (counts.get(state) ?? 0) + 1);
    all++;
  }
  if (all === 0) printError("No job matches");
  else {
    const parts = [...counts].map(([state, n]) => `${n} ${state}`).join(", ");
    printError(
      `${jobs(all)} would be ${verb.done} (${parts}); say --yes to do it`,
    );
  }
  return 1;
}

/** How changes are told. */
export interface ChangeTelling {
  /** Each of these must be found. */
  readonly ids: readonly string[];
  /** Name each job; else say at the end how many. */
  readonly each: boolean;
  readonly json?: true;
  /** What the jobs are called. Default `job`. */
  readonly kind?: string;
}

/** Changes what was selected; answers with the exit code. */
export async function changeAll(
  inspector: Inspector,
  { name, done, change }: Pick<ChangeVerb, "name" | "done" | "change">,
  selection: JobSelection,
  { ids, each, json, kind = "job" }: ChangeTelling,
): Promise<number> {
  const missing = new Set(ids);
  let changed = 0;
  let refused = 0;
  await eachOnce(selection, async (job) => {
    const { id, record: { queue } } = job;
    missing.delete(id);
    const reason = await change(inspector, job);
    if (reason !== undefined) {
      refused++;
      printError(`Cannot ${name} job ${id}: ${reason}`);
      return;
    }
    changed++;
    if (json) console.log(JSON.stringify({ [name]: id, queue }));
    else if (each) console.log(id);
  });
  if (changed + refused === 0 && ids.length === 0) {
    printError(`No ${kind} matches`);
    return 1;
  }
  if (!each && !json) console.log(`${jobs(changed)} ${done}`);
  for (const id of missing) printError(`No ${kind} has the id ${id}`);
  return refused > 0 || missing.size > 0 ? 1 : 0;
}

/**
 * Does something to each job, some at once; to each only once, even if it
 * comes to another place meanwhile.
 */
async function eachOnce(
  jobs: AsyncIterable<StoredJob>,
  act: (job: StoredJob) => Promise<void>,
): Promise<void> {
  const seen = new Set<string>();
  let acting: Promise<void>[] = [];
  for await (const job of jobs) {
    const { queue, state, key } = job.record;
    const name = `${queue} ${job.message?.id ?? `${state} ${key}`}`;
    if (seen.has(name)) continue;
    seen.add(name);
    acting.push(act(job));
    if (acting.length < CHANGES_AT_ONCE) continue;
    await Promise.all(acting);
    acting = [];
  }
  await Promise.all(acting);
}

function jobs(count: number): string {
  return count === 1 ? "1 job" : `${count} jobs`;
}
