import { Command, Option } from "npm:commander@15.1.0";
import { printDsn } from "../broker/dsn.ts";
import type { Client } from "../client/client.ts";
import type { Job } from "../client/job.ts";
import { JobCancelledError, JobFailedError } from "../errors.ts";
import type { JobSpec } from "../job/policy.ts";
import { parseReference } from "../job/reference.ts";
import { parseArgument } from "./argument.ts";
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

const HELP = `
An argument is read as JSON if it parses without losing digits, else as text.

Exit codes: 0 sent; 1 not sent, or with --wait a job failed; 2 wrong usage.

Examples:
  mqk invoke mqk:calculator#sum 1 2 --wait
  mqk invoke ./jobs/mail.ts#send '{"to":"a@example.com"}' --retries 5
  mqk invoke -i 100000 mqk:calculator#sum 1 2
  mqk invoke mqk:calculator#sum -- -1 2`;

/** Jobs in one round trip of `-i`. */
const BATCH_JOBS = 1000;
/** Fewer jobs than this are sent before a bar could be read. */
const BAR_FROM_JOBS = 10_000;

interface InvokeOptions extends StoreOptions {
  readonly invokes?: number;
  readonly workers: number;
  readonly ttl?: number;
  readonly queue?: string;
  readonly retries?: number;
  readonly delay?: number;
  readonly replicas?: number;
  readonly wait?: true;
  readonly follow?: true;
}

/** `mqk invoke`: sends jobs. */
export function invokeCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("invoke"))
    .description("send a job; prints its handle")
    .argument("<reference>", "the function: <module>#<export>")
    .argument("[argument...]", "its arguments, as JSON or text")
    .option(
      "-i, --invokes <n>",
      "send it so often; prints a summary",
      wholeNumber(1, 1_000_000_000),
    )
    .option(
      "-w, --workers <n>",
      "producers that send at once",
      wholeNumber(1, 1000),
      1,
    )
    .option(
      "-t, --ttl <seconds>",
      "how long one attempt may take (default: 60)",
      seconds(0.001, 24 * 86_400),
    )
    .addOption(queueOption("its queue (default: default)"))
    .option(
      "--retries <n>",
      "how often it is tried again (default: 3)",
      wholeNumber(0, 1000),
    )
    .option(
      "--delay <seconds>",
      "how long until it may run (default: 0)",
      seconds(0, 3650 * 86_400),
    )
    .option(
      "--replicas <n>",
      "so many replicas of Redis must have it (default: 0)",
      wholeNumber(0, 9),
    )
    .option("--wait", "wait and print each result; exit 1 if a job failed")
    .addOption(
      new Option("--follow", "the same, and before it what the job reports")
        .implies({ wait: true }),
    )
    .addHelpText("after", HELP)
    .action(
      async (reference: string, texts: string[], options: InvokeOptions) => {
        parseReference(reference);
        const { queue, ttl, retries, delay } = options;
        const spec = { job: reference, queue, ttl, retries, delay };
        setExitCode(await invoke(spec, texts.map(parseArgument), options));
      },
    );
}

async function invoke(
  spec: JobSpec,
  args: readonly unknown[],
  options: InvokeOptions,
): Promise<number> {
  const { connect } = await import("../client/client.ts");
  const dsn = printDsn(chosenDsn(options));
  await using client = connect(dsn, { replicas: options.replicas });
  if (options.invokes === undefined) {
    const job = await client.invoke(spec, ...args);
    if (!options.wait) {
      console.log(job.handle);
      return 0;
    }
    return await printResult(job, options) ? 0 : 1;
  }
  const startedAt = performance.now();
  const jobs = await sendMany(client, spec, args, options);
  if (!options.wait) {
    console.log(summary(options.invokes, performance.now() - startedAt));
  }
  let exitCode = 0;
  for (const job of jobs) if (!await printResult(job, options)) exitCode = 1;
  return exitCode;
}

/** Sends the same job many times; answers with the jobs if they are awaited. */
async function sendMany(
  client: Client,
  spec: JobSpec,
  args: readonly unknown[],
  { invokes = 1, workers, wait }: InvokeOptions,
): Promise<Job[]> {
  const total = invokes;
  using bar = total >= BAR_FROM_JOBS
    ? (await import("./progress.ts")).progressBar("Invoking", total)
    : null;
  const awaited: Job[] = [];
  let taken = 0;
  let sent = 0;
  const produce = async () => {
    while (taken < total) {
      const length = Math.min(BATCH_JOBS, total - taken);
      taken += length;
      const jobs = await client.invokeMany(
        Array.from({ length }, () => ({ ...spec, args })),
      );
      sent += length;
      bar?.update(sent);
      if (wait) awaited.push(...jobs);
    }
  };
  await Promise.all(Array.from({ length: workers }, produce));
  return awaited;
}

/**
 * Waits without limit and prints the result on a line, and what was reported
 * before; `false` if there is no result.
 */
async function printResult(
  job: Job,
  { follow }: InvokeOptions,
): Promise<boolean> {
  try {
    if (follow) await printUpdates(job);
    const value = await job.result({ timeout: Infinity });
    console.log(value === undefined ? "" : JSON.stringify(value));
    return true;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    printError(
      error instanceof JobFailedError || error instanceof JobCancelledError
        ? error.message
        : `Job ${job.id}: ${error.message}`,
    );
    return false;
  }
}

/** Prints what the job reports, a line each, until it has ended. */
async function printUpdates(job: Job): Promise<void> {
  for await (const { value } of job.updates({ timeout: Infinity })) {
    console.log(JSON.stringify(value));
  }
}

/** `100000 jobs sent in 0.80 s, 125000 per second` */
export function summary(jobs: number, milliseconds: number): string {
  const rate = Math.round(jobs / Math.max(milliseconds, 0.01) * 1000);
  const noun = jobs === 1 ? "job" : "jobs";
  return `${jobs} ${noun} sent in ${
    (milliseconds / 1000).toFixed(2)
  } s, ${rate} per second`;
}
