import { Command } from "npm:commander@15.1.0";
import { printDsn } from "../broker/dsn.ts";
import { hidePassword } from "../hide_password.ts";
import { sleep } from "../time/sleep.ts";
import {
  addStoreOptions,
  chosenDsn,
  queuesOption,
  seconds,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { printError } from "./print_error.ts";
import { QUEUE_COLUMNS, QueueLooks } from "./queue_looks.ts";
import { printTable } from "./table.ts";

const HELP = `
state      active: a worker serves it; unserved: none does; paused: no job starts
ready      jobs that wait for a worker
held       jobs that workers have reserved
scheduled  jobs that were sent with a delay; retry: after an attempt that failed
failed     jobs that used up their attempts and are kept
oldest     how long ago the job was sent that runs next
in/s out/s jobs that came and left, a second, between two looks
p50 p99    how long half of the jobs, and all but one in a hundred, ran at most,
           in the last five to ten minutes, of living workers

Examples:
  mqk queues
  mqk queues --queue high --interval 10 --json`;

interface QueuesOptions extends StoreOptions {
  readonly interval: number;
  readonly queue?: string[];
  readonly json?: true;
}

/** `mqk queues`: how it stands with each queue. */
export function queuesCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("queues"))
    .description("how many jobs are in which state, how old, how fast")
    .addOption(queuesOption("look at this queue only (default: all)"))
    .option(
      "--interval <seconds>",
      "time between the two looks that make the rates",
      seconds(0.01, 86_400),
      1,
    )
    .option("--json", "print one JSON object a line")
    .addHelpText("after", HELP)
    .action(async (options: QueuesOptions) => {
      setExitCode(await queues(options));
    });
}

async function queues(options: QueuesOptions): Promise<number> {
  const { openInspector } = await import("../broker/open.ts");
  const dsn = chosenDsn(options);
  await using inspector = await openInspector(dsn);
  const known = await inspector.queues();
  let exitCode = 0;
  for (const name of options.queue ?? []) {
    if (known.includes(name)) continue;
    printError(`No queue has the name ${name}`);
    exitCode = 1;
  }
  const names = options.queue?.filter((name) => known.includes(name)) ?? known;
  if (names.length === 0) {
    if (exitCode === 0) {
      const store = hidePassword(printDsn(dsn));
      printError(`No queue was ever used in ${store}`);
    }
    return exitCode;
  }
  const looks = new QueueLooks(inspector, names);
  await looks.look();
  await sleep(options.interval * 1000);
  const { queues } = await looks.look();
  if (!options.json) printTable(QUEUE_COLUMNS, queues);
  else for (const queue of queues) console.log(JSON.stringify(queue));
  return exitCode;
}
