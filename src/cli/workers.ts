import { Command } from "npm:commander@15.1.0";
import { readHealth, type WorkerHealth } from "../worker/health.ts";
import { localTime } from "./local_time.ts";
import { printDuration } from "./duration.ts";
import {
  addStoreOptions,
  chosenDsn,
  queuesOption,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { printError } from "./print_error.ts";
import { printRate } from "./queue_looks.ts";
import { type Column, printTable } from "./table.ts";

const HELP = `
A worker tells of itself every ten seconds; one that died is forgotten after a
minute (see: heard).

waiting  jobs that it has reserved and not started; running: started
done     jobs that ended well since it started; jobs/s: lately
heard    how long ago it told of itself

Examples:
  mqk workers
  mqk workers --queue high --json`;

interface WorkersOptions extends StoreOptions {
  readonly queue?: string[];
  readonly json?: true;
}

/** How workers are shown. */
export const WORKER_COLUMNS: readonly Column<WorkerHealth>[] = [
  { title: "worker", of: ({ name }) => name },
  { title: "pid", right: true, of: ({ pid }) => pid },
  { title: "host", of: ({ host }) => host },
  {
    title: "queues",
    of: ({ queues, fast }) => queues.join(",") + (fast ? " (fast)" : ""),
  },
  { title: "since", of: ({ sinceMs }) => localTime(new Date(sinceMs)) },
  { title: "waiting", right: true, of: ({ waiting }) => waiting },
  { title: "running", right: true, of: ({ started }) => started },
  { title: "done", right: true, of: ({ done }) => done },
  { title: "jobs/s", right: true, of: ({ rate }) => printRate(rate) },
  { title: "heard", right: true, of: ({ ageMs }) => printDuration(ageMs) },
];

/** `mqk workers`: the workers that live. */
export function workersCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("workers"))
    .description("which workers live, and what they do")
    .addOption(queuesOption("only those that serve this queue (default: all)"))
    .option("--json", "print one JSON object a line")
    .addHelpText("after", HELP)
    .action(async (options: WorkersOptions) => {
      setExitCode(await workers(options));
    });
}

async function workers(options: WorkersOptions): Promise<number> {
  const { openInspector } = await import("../broker/open.ts");
  await using inspector = await openInspector(chosenDsn(options));
  const workers = (await inspector.workers()).map(readHealth)
    .filter(({ queues }) =>
      options.queue?.some((queue) => queues.includes(queue)) ?? true
    ).sort((a, b) => a.sinceMs - b.sinceMs || a.pid - b.pid);
  if (workers.length === 0) {
    const which = options.queue === undefined
      ? ""
      : ` that serves ${options.queue.join(" or ")}`;
    printError(`No worker lives${which}`);
  } else if (options.json) {
    for (const worker of workers) console.log(json(worker));
  } else printTable(WORKER_COLUMNS, workers);
  return 0;
}

function json(
  { sinceMs, started, rate, ageMs, runTimes: _, ...worker }: WorkerHealth,
): string {
  return JSON.stringify({
    ...worker,
    running: started,
    since: new Date(sinceMs).toISOString(),
    jobsPerSecond: rate,
    heardSeconds: ageMs / 1000,
  });
}
