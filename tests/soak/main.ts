/**
 * The soak: `deno task soak [--minutes N] [--broker redis|sqlite] [--seed N]`.
 *
 * Programs that send jobs, programs that run them, and faults at random; at
 * the end each job is accounted for. The same seed repeats the same faults:
 * kind, time, and which of its targets.
 *
 * @module
 */
import { Command, InvalidArgumentError, Option } from "npm:commander@15.1.0";
import type { BrokerKind } from "../guarantees/site.ts";
import { planFaults, printPlan } from "./plan.ts";
import { soak } from "./soak.ts";

interface MainOptions {
  readonly minutes: number;
  readonly broker?: BrokerKind;
  readonly seed?: number;
  readonly plan?: boolean;
}

/** Of many violations so many are printed. */
const SHOWN = 50;

function positive(text: string): number {
  const number = Number(text);
  if (!(number > 0)) {
    throw new InvalidArgumentError("It must be a number above 0.");
  }
  return number;
}

/** `false`: something must not be as it is. */
async function run(
  broker: BrokerKind,
  seed: number,
  minutes: number,
): Promise<boolean> {
  console.log(`seed ${seed}, ${broker}, ${minutes} minutes`);
  const account = await soak({
    broker,
    seed,
    minutes,
    print: (line) => console.log(line),
  });
  const { done, failed, repeated, violations } = account;
  for (const violation of violations.slice(0, SHOWN)) console.log(violation);
  console.log(
    `${broker}: ${done} jobs done, ${failed} failed as they must, ` +
      `${repeated} repeated, ${violations.length} violations`,
  );
  if (violations.length > 0) {
    console.log(
      `The same faults again: deno task soak --broker ${broker} ` +
        `--minutes ${minutes} --seed ${seed}`,
    );
  }
  return violations.length === 0;
}

const command = new Command("soak")
  .description("run jobs under random faults, and account for each of them")
  .option("--minutes <number>", "how long the faults last", positive, 10)
  .addOption(
    new Option("--broker <name>", "only on this one")
      .choices(["redis", "sqlite"]),
  )
  .option("--seed <number>", "repeats the faults of this seed", positive)
  .option("--plan", "print the faults and end")
  .action(async (options: MainOptions) => {
    const { minutes, broker, plan } = options;
    const seed = options.seed ?? Math.ceil(Math.random() * 1_000_000);
    const brokers: BrokerKind[] = broker ? [broker] : ["redis", "sqlite"];
    for (const name of brokers) {
      if (plan) {
        const faults = planFaults(seed, name, minutes * 60_000);
        console.log(printPlan(faults).join("\n"));
      } else if (!await run(name, seed, minutes)) Deno.exitCode = 1;
    }
  });

await command.parseAsync(Deno.args, { from: "user" });
