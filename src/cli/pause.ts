import { Command } from "npm:commander@15.1.0";
import { printDsn } from "../broker/dsn.ts";
import type { QueueSettings } from "../client/queue_settings.ts";
import {
  addStoreOptions,
  chosenDsn,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";

const PAUSE_HELP = `
From now on workers get no jobs of these queues; what they have already ends.
Jobs can still be sent. \`mqk resume\` lets them start again.

Example:
  mqk pause mail`;

const RESUME_HELP = `
Workers see it within about a second.

Example:
  mqk resume mail`;

/** `mqk pause`: no job of a queue starts any more. */
export function pauseCommand(setExitCode: SetExitCode): Command {
  return command(
    "pause",
    "give workers no jobs of a queue, until it is resumed",
  )
    .addHelpText("after", PAUSE_HELP)
    .action(async (queues: string[], options: StoreOptions) => {
      await each(queues, options, (queue) => queue.pause());
      setExitCode(0);
    });
}

/** `mqk resume`: jobs of a queue start again. */
export function resumeCommand(setExitCode: SetExitCode): Command {
  return command("resume", "serve a paused queue again")
    .addHelpText("after", RESUME_HELP)
    .action(async (queues: string[], options: StoreOptions) => {
      await each(queues, options, (queue) => queue.resume());
      setExitCode(0);
    });
}

function command(name: string, description: string): Command {
  return addStoreOptions(new Command(name))
    .description(description)
    .argument("<queue...>", "names of queues");
}

async function each(
  names: readonly string[],
  options: StoreOptions,
  action: (queue: QueueSettings) => Promise<void>,
): Promise<void> {
  const { connect } = await import("../client/client.ts");
  await using client = connect(printDsn(chosenDsn(options)));
  // All names are looked at before anything is changed.
  for (const queue of names.map((name) => client.queue(name))) {
    await action(queue);
  }
}
