import { Command, type Command as AnyCommand } from "npm:commander@15.1.0";
import { printDsn } from "../broker/dsn.ts";
import type { Client } from "../client/client.ts";
import type { Schedule } from "../client/schedule.ts";
import { ArgumentError } from "../errors.ts";
import { checkScheduleName } from "../job/policy.ts";
import type { ScheduleSpec } from "../job/schedule.ts";
import { parseArgument } from "./argument.ts";
import { localTime } from "./local_time.ts";
import {
  addStoreOptions,
  chosenDsn,
  queueOption,
  seconds,
  type SetExitCode,
  type StoreOptions,
  wholeNumber,
} from "./options.ts";
import { printError } from "./print_error.ts";
import { type Column, printTable } from "./table.ts";

const HELP = `
A schedule lives in its jobs' queue, and workers of that queue send its jobs: one
for each due time. Names are unique in a queue; \`add\` changes one that is there.

Exit codes: 0 done; 1 there is no such schedule; 2 wrong usage, e.g. an
  impossible cron expression or an unknown time zone.

Examples:
  mqk schedule add nightly --cron '0 3 * * *' --time-zone Europe/Berlin \\
    ./jobs/report.ts#make
  mqk schedule add poll --every 300 ./jobs/feed.ts#poll https://example.com
  mqk schedule list
  mqk schedule pause nightly`;

interface ScheduleOptions extends StoreOptions {
  readonly queue?: string;
  readonly json?: true;
}

interface AddOptions extends ScheduleOptions {
  readonly cron?: string;
  readonly timeZone?: string;
  readonly every?: number;
  readonly missed?: ScheduleSpec["missed"];
  readonly ttl?: number;
  readonly retries?: number;
}

/** `mqk schedule`: lists and changes what is sent again and again. */
export function scheduleCommand(setExitCode: SetExitCode): Command {
  const command = new Command("schedule")
    .description("jobs that are sent again and again: list, add, run, ...")
    .addHelpText("after", HELP);
  addListCommand(command);
  addAddCommand(command);
  const verb = (name: string, description: string, act: Action) =>
    addStoreOptions(command.command(name))
      .description(description)
      .argument("<name>", "its name")
      .addOption(queueOption("its queue (default: the one that has it)"))
      .action(async (name: string, options: ScheduleOptions) => {
        setExitCode(await actOn(name, options, act));
      });
  verb("run", "send a job now, beside those of the due times", async (s) => {
    return (await s.runNow()).handle;
  });
  verb("pause", "send no jobs until it is resumed", async (s) => {
    return await s.pause() && s.name;
  });
  verb("resume", "go on with the next due time", async (s) => {
    return await s.resume() && s.name;
  });
  verb("delete", "remove it; jobs that it has sent stay", async (s) => {
    return await s.delete() && s.name;
  });
  return command;
}

function addListCommand(command: AnyCommand): void {
  addStoreOptions(command.command("list"))
    .description("print name, queue, next due time, when it is due, and job")
    .addOption(queueOption("list this queue only (default: all)"))
    .option("--json", "print one JSON object a line")
    .action(async (options: ScheduleOptions) => {
      await using client = await open(options);
      print(await client.schedules(options.queue), options);
    });
}

function addAddCommand(command: AnyCommand): void {
  addStoreOptions(command.command("add"))
    .description("define a schedule, or change it")
    .argument("<name>", "its name: letters, digits, _ and -")
    .argument("<reference>", "the function: <module>#<export>")
    .argument("[argument...]", "its arguments, as JSON or text")
    .option("--cron <expression>", "when it is due, as '0 3 * * *'")
    .option("--time-zone <name>", "whose clocks --cron goes by (default: UTC)")
    .option(
      "--every <seconds>",
      "or: due each time so many seconds have passed",
      wholeNumber(1, 366 * 86_400),
    )
    .option(
      "--missed <which>",
      "due times without any worker that get a job:\n" +
        "last, all or none (default: last)",
    )
    .addOption(queueOption("its jobs' queue (default: default)"))
    .option(
      "-t, --ttl <seconds>",
      "how long one attempt may take (default: 60)",
      seconds(0.001, 24 * 86_400),
    )
    .option(
      "--retries <n>",
      "how often a job is tried again (default: 3)",
      wholeNumber(0, 1000),
    )
    .option("--json", "print it as a JSON object")
    .action(
      async (
        name: string,
        job: string,
        texts: string[],
        options: AddOptions,
      ) => {
        const { cron, timeZone, every, missed, queue, ttl, retries } = options;
        const timing = { cron, timeZone, every, missed };
        const args = texts.map(parseArgument);
        const spec = { job, args, ...timing, queue, ttl, retries };
        await using client = await open(options);
        print([await client.schedule(name, spec)], options);
      },
    );
}

/** Answers with what to print; `false` if the schedule is not there any more. */
type Action = (schedule: Schedule) => Promise<string | false>;

async function actOn(
  name: string,
  options: ScheduleOptions,
  act: Action,
): Promise<number> {
  checkScheduleName(name);
  await using client = await open(options);
  const found = (await client.schedules(options.queue))
    .filter((schedule) => schedule.name === name);
  if (found.length > 1) {
    const queues = found.map(({ queue }) => queue).join(", ");
    throw new ArgumentError(
      `Cannot choose a schedule: ${name} is in the queues ${queues}; ` +
        "give --queue",
    );
  }
  const text = found.length === 1 && await act(found[0]);
  if (text === false) {
    const where = options.queue === undefined
      ? ""
      : ` of queue ${options.queue}`;
    printError(`No schedule${where} has the name ${name}`);
    return 1;
  }
  console.log(text);
  return 0;
}

async function open(options: StoreOptions): Promise<Client> {
  const { connect } = await import("../client/client.ts");
  return connect(printDsn(chosenDsn(options)));
}

function print(
  schedules: readonly Schedule[],
  { json }: ScheduleOptions,
): void {
  if (!json) {
    if (schedules.length > 0) printTable(COLUMNS, schedules);
    return;
  }
  for (const schedule of schedules) console.log(jsonLine(schedule));
}

const COLUMNS: readonly Column<Schedule>[] = [
  { title: "name", of: ({ name }) => name },
  { title: "queue", of: ({ queue }) => queue },
  {
    title: "next",
    of: ({ nextAt, paused }) =>
      nextAt === undefined
        ? paused ? "paused" : "never again"
        : localTime(nextAt),
  },
  { title: "due", of: (schedule) => whatOf(schedule)[0] },
  { title: "job", of: (schedule) => whatOf(schedule)[1] },
];

/** When it is due, and its job; one of a later version is listed as well. */
function whatOf(schedule: Schedule): [when: string, job: string] {
  try {
    const { cron, timeZone = "UTC", every, job } = schedule.spec;
    return [
      cron === undefined ? `every ${every} s` : `${cron} ${timeZone}`,
      job,
    ];
  } catch {
    return ["?", "?"];
  }
}

/** The same as JSON, with all that it was defined with. */
export function jsonLine(schedule: Schedule): string {
  const { name, queue, nextAt, paused } = schedule;
  let spec: ScheduleSpec | undefined;
  try {
    spec = schedule.spec;
  } catch {
    // A later version of this program has defined it.
  }
  return JSON.stringify({ name, queue, nextAt, paused, ...spec });
}
