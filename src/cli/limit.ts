import { Command, InvalidArgumentError } from "npm:commander@15.1.0";
import { printDsn } from "../broker/dsn.ts";
import { ArgumentError } from "../errors.ts";
import {
  checkLimits,
  type GroupLimit,
  type LimitRate,
  type Limits,
} from "../job/limits.ts";
import {
  addStoreOptions,
  chosenDsn,
  type SetExitCode,
  type StoreOptions,
  wholeNumber,
} from "./options.ts";

const HELP = `
Without further options it prints the limits of the queue as JSON. A limit
holds for all workers together, from now on; what is not named stays as it is.
--group and --each-group say whose limit it is; without them it is the queue's
own. A group with a limit of its own has no other.

Examples:
  mqk limit mail --concurrency 5 --rate 100/60   at once; in 60 seconds
  mqk limit mail --rate none                     its concurrency stays
  mqk limit mail --each-group --concurrency 1
  mqk limit mail --group tenant-7 --none
  mqk limit mail`;

interface LimitOptions extends StoreOptions {
  readonly concurrency?: number | null;
  readonly rate?: LimitRate | null;
  readonly group?: string;
  readonly eachGroup?: true;
  readonly none?: true;
}

/** `mqk limit`: sets and prints the limits of a queue. */
export function limitCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("limit"))
    .description("set or print the limits of a queue")
    .argument("<queue>", "its name")
    .option(
      "--concurrency <n>",
      "so many jobs at once; or none",
      orNone(wholeNumber(1, 1_000_000_000)),
    )
    .option(
      "--rate <n/seconds>",
      "so many jobs in so many seconds; or none",
      orNone(parseRate),
    )
    .option("--group <name>", "the limit of this group")
    .option("--each-group", "the limit of each group without one of its own")
    .option("--none", "take both limits away")
    .addHelpText("after", HELP)
    .action(async (queue: string, options: LimitOptions) => {
      await limit(queue, options);
      setExitCode(0);
    });
}

async function limit(name: string, options: LimitOptions): Promise<void> {
  const { concurrency, rate, group, eachGroup, none } = options;
  if (group !== undefined && eachGroup) {
    throw new ArgumentError("Cannot use --group and --each-group: give one");
  }
  const sets = concurrency !== undefined || rate !== undefined;
  if (sets && none) {
    throw new ArgumentError("Cannot set a limit and take it away: drop --none");
  }
  const { connect } = await import("../client/client.ts");
  await using client = connect(printDsn(chosenDsn(options)));
  const queue = client.queue(name);
  const { limits: before } = await queue.status();
  if (!sets && !none) {
    const { groups = {} } = before;
    const named = eachGroup
      ? before.group
      : group === undefined
      ? before
      : groups[group];
    return console.log(JSON.stringify(named ?? {}));
  }
  const limits = changed(before, options);
  checkLimits(limits);
  await queue.setLimits(limits);
}

/** The limits of a queue with what the options say. */
function changed(
  { group, groups = {}, ...queue }: Limits,
  options: LimitOptions,
): Limits {
  const { group: name, eachGroup } = options;
  if (eachGroup) group = changedLimit(group, options);
  else if (name === undefined) queue = changedLimit(queue, options) ?? {};
  else {
    const { [name]: own, ...others } = groups;
    const limit = changedLimit(own, options);
    groups = limit === undefined ? others : { ...others, [name]: limit };
  }
  return {
    ...queue,
    ...(group && { group }),
    ...(Object.keys(groups).length > 0 && { groups }),
  };
}

/** One of these limits, with the named fields changed; nothing: none is left. */
function changedLimit(
  before: GroupLimit = {},
  { concurrency = before.concurrency, rate = before.rate, none }: LimitOptions,
): GroupLimit | undefined {
  const limit: GroupLimit = {
    ...(concurrency && { concurrency }),
    ...(rate && { rate }),
  };
  return none || Object.keys(limit).length === 0 ? undefined : limit;
}

/** Reads a value, or `none`, as `null`. */
function orNone<T>(read: (text: string) => T): (text: string) => T | null {
  return (text) => text === "none" ? null : read(text);
}

function parseRate(text: string): LimitRate {
  const [, jobs, per] = /^([0-9]+)\/([0-9]*\.?[0-9]+)$/.exec(text) ?? [];
  if (per === undefined) {
    throw new InvalidArgumentError(
      "It must be jobs/seconds, for example 100/60.",
    );
  }
  return { jobs: Number(jobs), per: Number(per) };
}
