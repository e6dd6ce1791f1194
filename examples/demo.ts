/**
 * `deno task demo [folder]`: what MQK does, on real files, with the embedded
 * broker. Everything it writes is in a temporary folder that it removes.
 *
 * @module
 */
import { statSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { join, relative, resolve } from "node:path";
import { type Client, connect, type Job } from "@mqk/core";
import { progressBar } from "../src/cli/progress.ts";
import type { Count } from "./jobs/words.ts";
import { mqk, RunningMqk } from "./demo/program.ts";
import { countDirectly, textFiles } from "./demo/text_files.ts";

const EXAMPLES = import.meta.dirname!;
const MAX_FILES = 5_000;
const SMALL_JOBS = 10_000;

type Sum = (a: number, b: number) => number;

/** Something came out otherwise than it must. */
class DemoError extends Error {}

interface Demo {
  readonly client: Client;
  readonly dsn: string;
  /** The temporary folder. */
  readonly folder: string;
}

function say(text: string): void {
  console.log(text.replace(/^(?=.)/gm, "   "));
}

function title(text: string): void {
  console.log(`\n${text}`);
}

function check(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new DemoError(
    `${what}: expected ${Deno.inspect(expected)}, got ${Deno.inspect(actual)}`,
  );
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

/** Waits for all results, showing how many are there. */
async function results<T>(jobs: readonly Job<T>[]): Promise<T[]> {
  let done = 0;
  using bar = progressBar("   Waiting", jobs.length);
  const quarter = Math.ceil(jobs.length / 4);
  return await Promise.all(jobs.map(async (job) => {
    const value = await job.result();
    bar.update(++done);
    // Where no bar can be drawn, a few lines show the progress.
    const isStep = done % quarter === 0 || done === jobs.length;
    if (isStep && !Deno.stderr.isTerminal()) {
      say(`${number(done)} of ${number(jobs.length)} done`);
    }
    return value;
  }));
}

function seconds(sinceMs: number): number {
  return Math.max(performance.now() - sinceMs, 1) / 1000;
}

async function countWords({ client }: Demo, folder: string): Promise<void> {
  title(`2. One job for each text file of ${folder}`);
  const paths = await Array.fromAsync(textFiles(folder, MAX_FILES));
  if (paths.length === 0) throw new DemoError(`${folder} has no text files`);
  const words = client.jobs<typeof import("./jobs/words.ts")>(
    "./jobs/words.ts",
  );
  say(`await words.countFile(${JSON.stringify(relative(folder, paths[0]))})`);
  const startedMs = performance.now();
  const jobs = await Promise.all(paths.map((path) => words.countFile(path)));
  await results(jobs);
  const collecting = await words.collect(jobs.map((job) => job.handle));
  const totalHandle = await collecting.result();
  const total = await client.job<Count>(totalHandle).result();
  const took = seconds(startedMs).toFixed(2);
  check("lines and words", total, await countDirectly(paths));
  say(
    `A last job, sent from inside a job, added up: ${number(total.lines)} ` +
      `lines, ${number(total.words)} words\nin ${
        number(paths.length)
      } files, in ${took} s. ` +
      "A count without jobs finds the same.",
  );
}

async function runSmallJobs({ client }: Demo): Promise<void> {
  title(`3. ${number(SMALL_JOBS)} small jobs, each with its result`);
  say('await client.invokeMany([{ job: "mqk:calculator#sum", args: [1, 1] }])');
  const startedMs = performance.now();
  const jobs = await client.invokeMany<Sum>(
    Array.from({ length: SMALL_JOBS }, (_, i) => ({
      job: "mqk:calculator#sum",
      args: [i, 1],
    })),
  );
  const sums = await results(jobs);
  const rate = Math.round(SMALL_JOBS / seconds(startedMs));
  check("sums", sums, Array.from({ length: SMALL_JOBS }, (_, i) => i + 1));
  say(
    `${number(rate)} jobs a second, sent, run and awaited. All sums are right.`,
  );
}

async function exceedTtl({ client }: Demo): Promise<void> {
  title("4. A job that takes too long, and is tried again");
  say(
    'await client.invoke({ job: "mqk:calculator#sumTimeout", ttl: 1 }, 1, 2)',
  );
  const job = await client.invoke(
    { job: "mqk:calculator#sumTimeout", ttl: 1 },
    1,
    2,
  );
  check("sum of the second attempt", await job.result(), 3);
  say("The first attempt was ended after 1 s; the second one returned 3.");
}

async function failAndReplay({ client, dsn, folder }: Demo): Promise<void> {
  title("5. A job that fails for good, is listed, and replayed");
  const file = join(folder, "price.txt");
  const job = await client.invoke<(path: string) => number>({
    job: "./jobs/price.ts#readPrice",
    retries: 1,
    backoff: { fixed: 0.1 },
  }, file);
  const error = await job.result().then(() => undefined, (error) => error);
  check("kind of error", error?.name, "JobFailedError");
  say(
    "Its file is missing, so both attempts failed. It is kept:\n$ mqk failed list",
  );
  const list = await mqk("failed", "list", "-s", dsn);
  say(list.stdout);
  check("failed jobs", list.stdout.split(" ")[0], job.id);
  await Deno.writeTextFile(file, "42");
  say(`The file is there now:\n$ mqk failed retry ${job.id}`);
  const retry = await mqk("failed", "retry", job.id, "-s", dsn);
  check("exit code of mqk failed retry", retry.code, 0);
  check("result of the replayed job", await job.result(), 42);
  say("It ran again and returned 42.");
}

function chosenFolder(): string {
  const folder = resolve(Deno.args[0] ?? join(EXAMPLES, ".."));
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new DemoError(`there is no folder ${folder}`);
  }
  return folder;
}

async function runDemo(folder: string, temporary: string): Promise<void> {
  const dsn = `sqlite:${join(temporary, "queue.sqlite")}`;
  title("1. Two workers, and a queue in a file: no server is needed");
  const args = ["--workers", "2", "--root", EXAMPLES, "-s", dsn, "--quiet"];
  say(`$ mqk run ${args.join(" ")}`);
  await using program = new RunningMqk(args, (line) => say(`mqk: ${line}`));
  await using client = connect(dsn);
  const demo = { client, dsn, folder: temporary };
  const story = async () => {
    await countWords(demo, folder);
    await runSmallJobs(demo);
    await exceedTtl(demo);
    await failAndReplay(demo);
  };
  await Promise.race([
    story(),
    program.ended.then((code) => {
      throw new DemoError(`mqk run ended with exit code ${code}`);
    }),
    interrupted(),
  ]);
}

/** Rejects at Ctrl-C, so that the temporary folder is removed all the same. */
function interrupted(): Promise<never> {
  return new Promise((_, reject) => {
    Deno.addSignalListener(
      "SIGINT",
      () => reject(new DemoError("interrupted")),
    );
  });
}

const startedMs = performance.now();
const temporary = await Deno.makeTempDir({ prefix: "mqk_demo_" });
try {
  await runDemo(chosenFolder(), temporary);
  title(`All came out right, in ${seconds(startedMs).toFixed(1)} s.`);
  say('Next: the section "A first job in a minute" of README.md.');
} catch (error) {
  console.error(`\nThe demo failed: ${(error as Error).message}`);
  Deno.exitCode = 1;
} finally {
  await Deno.remove(temporary, { recursive: true });
}
Deno.exit();
