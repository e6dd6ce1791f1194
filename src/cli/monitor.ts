import { Command } from "npm:commander@15.1.0";
import type { Broker, Counts } from "../broker/broker.ts";
import { printDsn } from "../broker/dsn.ts";
import { hidePassword } from "../hide_password.ts";
import { sleep } from "../time/sleep.ts";
import { localTime } from "./local_time.ts";
import {
  addStoreOptions,
  chosenDsn,
  queuesOption,
  seconds,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { printError } from "./print_error.ts";
import { Screen } from "./screen.ts";

const HELP = `
On a terminal it is a screen with all queues, rates and workers. Keys: q quit;
p pause; s sort by the next column; arrows, j and k scroll.

Else, and with --plain, a line is the local time and the jobs that are left in all queues: ready,
held by workers, or waiting for their next attempt. With --json it is an object
with all counts of each queue, and whether it is paused. Ends with exit code 0
when it is told to, or stdout is closed.

Examples:
  mqk monitor --plain         2017-07-11 08:30:23,100000
  mqk monitor --interval 5 --queue high --json`;

interface MonitorOptions extends StoreOptions {
  readonly interval: number;
  readonly queue?: string[];
  readonly plain?: true;
  readonly json?: true;
}

/** `mqk monitor`: a live screen, or a line per interval. */
export function monitorCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("monitor"))
    .description("watch queues and workers, or print how many jobs are left")
    .option(
      "--interval <seconds>",
      "time between two looks",
      seconds(0.01, 86_400),
      1,
    )
    .addOption(queuesOption("look at this queue only (default: all)"))
    .option("--plain", "print a line per look, also on a terminal")
    .option("--json", "print all counts of each queue")
    .addHelpText("after", HELP)
    .action(async (options: MonitorOptions) => {
      const isLive = !options.plain && !options.json && Screen.isPossible;
      setExitCode(await (isLive ? live(options) : monitor(options)));
    });
}

async function live(options: MonitorOptions): Promise<number> {
  const { openInspector } = await import("../broker/open.ts");
  const { liveMonitor } = await import("./live_monitor.ts");
  const dsn = chosenDsn(options);
  await using inspector = await openInspector(dsn);
  await liveMonitor(inspector, {
    place: hidePassword(printDsn(dsn)),
    queues: options.queue,
    intervalMs: options.interval * 1000,
  });
  return 0;
}

async function monitor(options: MonitorOptions): Promise<number> {
  const { openBroker } = await import("../broker/open.ts");
  await using broker = await openBroker(chosenDsn(options));
  const intervalMs = options.interval * 1000;
  let first = true;
  for (let next = performance.now();; next += intervalMs) {
    // After a sleep of the machine the missed lines are not printed.
    next = Math.max(next, performance.now() - intervalMs);
    await sleep(Math.max(0, next - performance.now()));
    let line: string;
    try {
      line = await look(broker, options);
    } catch (error) {
      if (first || !(error instanceof Error)) throw error;
      printError(`Cannot count now: ${error.message}`);
      continue;
    }
    first = false;
    if (!await print(line)) return 0;
  }
}

async function look(broker: Broker, options: MonitorOptions): Promise<string> {
  const queues = options.queue ?? await broker.queues();
  const counts = await broker.counts(queues);
  if (!options.json) return textLine(new Date(), counts);
  const states = await Promise.all(
    queues.map((queue) => broker.control.state(queue)),
  );
  return jsonLine(
    new Date(),
    queues,
    counts.map((each, i) => ({ ...each, paused: states[i].paused })),
  );
}

/** `2017-07-11 08:30:23,100000`: local time, and the jobs that are left. */
export function textLine(time: Date, counts: readonly Counts[]): string {
  let left = 0;
  for (const { ready, suspect, crashed, held, retry } of counts) {
    left += ready + suspect + crashed + held + retry;
  }
  return `${localTime(time)},${left}`;
}

/** The same as JSON, with all counts of each queue. */
export function jsonLine(
  time: Date,
  queues: readonly string[],
  counts: readonly (Counts & { readonly paused: boolean })[],
): string {
  return JSON.stringify({
    time: time.toISOString(),
    queues: Object.fromEntries(queues.map((name, i) => [name, counts[i]])),
  });
}

/** Prints a line; `false` if nobody reads stdout any more. */
async function print(line: string): Promise<boolean> {
  let bytes = new TextEncoder().encode(line + "\n");
  try {
    while (bytes.length > 0) {
      bytes = bytes.subarray(await Deno.stdout.write(bytes));
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
