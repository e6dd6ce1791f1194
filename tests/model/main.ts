/**
 * The randomized protocol test: `deno task model --seeds N [--seed S]
 * [--broker redis|sqlite|sqlite-processes] [--without F1] [-v]`.
 *
 * A seed gives the jobs, the interleaving and the faults. A failing one is
 * printed with the shortest prefix that still fails, and runs again alone with
 * `--seed S`; `-v` prints each of its steps. `sqlite-processes` is another
 * test: real processes at the embedded file, and `kill -9`. Its seeds give no
 * moment of a kill exactly.
 *
 * @module
 */
import { Command, InvalidArgumentError, Option } from "npm:commander@15.1.0";
import { type BrokerName, type Engine, openEngine } from "./engine.ts";
import { type Amendment, AMENDMENTS } from "./mutations.ts";
import { type FailedRun, runMany, type Totals } from "./run_many.ts";
import { shorten } from "./shorten.ts";

interface ModelOptions {
  readonly seeds: number;
  readonly seed: number;
  readonly broker?: BrokerName;
  readonly without?: Amendment;
  readonly steps?: number;
  readonly verbose?: boolean;
}

/** Of a long trace, the steps before the end are shown. */
const LAST_LINES = 60;
const REPORT_EVERY_MS = 5_000;

/** `false`: a seed failed. */
async function test(
  broker: BrokerName,
  { seeds, seed, without, steps, verbose = false }: ModelOptions,
): Promise<boolean> {
  await using engine = await openEngine(broker, without);
  const startedMs = performance.now();
  let reportedMs = startedMs;
  const totals = await runMany(
    engine,
    { first: seed, count: seeds, steps },
    (totals) => {
      if (performance.now() - reportedMs < REPORT_EVERY_MS) return;
      reportedMs = performance.now();
      console.log(`${broker}: ${summary(totals, startedMs)}`);
    },
  );
  console.log(`${broker}: ${summary(totals, startedMs)}`);
  if (totals.failed === undefined) return true;
  await explain(engine, broker, totals.failed, { without, verbose });
  return false;
}

function summary(totals: Totals, startedMs: number): string {
  const seconds = (performance.now() - startedMs) / 1000;
  return `${totals.seeds} seeds, ${totals.jobs} jobs, ` +
    `${totals.crashes} crashes, ${totals.lostFast} lost by fast workers, ` +
    `${totals.failed ? 1 : 0} violations, ` +
    `${(totals.seeds / seconds).toFixed(1)} seeds/s`;
}

async function explain(
  engine: Engine,
  broker: BrokerName,
  { seed, failure }: FailedRun,
  { without, verbose }: { without?: Amendment; verbose: boolean },
): Promise<void> {
  const { error, steps, trace } = engine.canShorten
    ? await shorten(engine, { seed }, failure)
    : failure;
  const lines = verbose ? trace : trace.slice(-LAST_LINES);
  if (lines.length < trace.length) console.log("...");
  for (const line of lines) console.log(line);
  console.log(
    `\nSeed ${seed} fails on ${broker}: ${error.message}\n` +
      `${steps} steps are enough. Again, with all of them: deno task model ` +
      `--broker ${broker} --seed ${seed} --seeds 1 --steps ${steps}` +
      `${without ? ` --without ${without}` : ""} -v`,
  );
}

function whole(text: string): number {
  if (!/^\d+$/.test(text)) {
    throw new InvalidArgumentError("It must be a whole number.");
  }
  return Number(text);
}

const command = new Command("model")
  .description("run the brokers' protocol with random interleavings and faults")
  .option("--seeds <number>", "how many runs", whole)
  .option("--seed <number>", "the first of them, or the only one", whole)
  .addOption(
    new Option("--broker <name>", "only on this one")
      .choices(["redis", "sqlite", "sqlite-processes"]),
  )
  .addOption(
    new Option("--without <amendment>", "break the protocol on purpose")
      .choices(Object.keys(AMENDMENTS)),
  )
  .option("--steps <number>", "after so many steps the faults end", whole)
  .option("-v, --verbose", "print all steps of a run that fails")
  .action(async (options: Partial<ModelOptions>) => {
    const { broker, seed } = options;
    const chosen: ModelOptions = {
      ...options,
      seeds: options.seeds ?? (seed === undefined ? 500 : 1),
      seed: seed ?? 1,
    };
    const brokers: BrokerName[] = broker ? [broker] : ["redis", "sqlite"];
    for (const name of brokers) {
      if (!await test(name, chosen)) Deno.exitCode = 1;
    }
  });

await command.parseAsync(Deno.args, { from: "user" });
