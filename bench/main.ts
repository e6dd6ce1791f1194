/**
 * `deno task bench`: measures MQK, the limit of its store, and its peers in one
 * run, and prints one table. `README.md` beside this file says how.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { Case } from "./case.ts";
import { CLUSTER_CASES } from "./cluster.ts";
import { DRAIN_CASES } from "./drain.ts";
import { EMBEDDED_CASES } from "./embedded.ts";
import { ENQUEUE_CASES } from "./enqueue.ts";
import { LATENCY_CASES } from "./latency.ts";
import { busyWarning, describeMachine } from "./machine.ts";
import { measure, type Measured } from "./measure.ts";
import { MEMORY_CASES } from "./memory.ts";
import { PROCESS_CASES } from "./process.ts";
import { PACKAGES } from "./programs.ts";
import { Site } from "./site.ts";
import { printTable, type Row, rowsOf } from "./table.ts";

const CASES: readonly Case[] = [
  ...DRAIN_CASES,
  ...ENQUEUE_CASES,
  ...LATENCY_CASES,
  ...EMBEDDED_CASES,
  ...MEMORY_CASES,
  ...PROCESS_CASES,
  // The last: what it starts stays until the end.
  ...CLUSTER_CASES,
];

const HELP = `Usage: deno task bench [options]

Measures MQK beside BullMQ, bee-queue and a bare client, in under 10 minutes.

  --quick        one round with fewer jobs, under 90 s
  --only NAME    cases whose name begins with NAME; repeatable
  --json         print JSON instead of the table
  --write        put the table and the chart into bench/
  --list         print the names of all cases
  --help         print this

Exit codes: 0 done; 1 a figure was refused; 2 wrong usage.`;

interface Options {
  readonly quick: boolean;
  readonly only: readonly string[];
  readonly json: boolean;
  readonly write: boolean;
  readonly rounds: number;
  readonly scale: number;
}

/** The options, or the exit code if there is nothing to measure. */
function readOptions(args: readonly string[]): Options | number {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
        json: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        // For tests and for work on the benchmark itself.
        rounds: { type: "string" },
        scale: { type: "string" },
      },
    });
    if (values.help || values.list) {
      console.log(
        values.help ? HELP : CASES.map(({ name }) => name).join("\n"),
      );
      return 0;
    }
    return {
      ...values,
      rounds: positive(values.rounds ?? (values.quick ? "1" : "3")),
      scale: positive(values.scale ?? (values.quick ? "0.2" : "1")),
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
}

function positive(text: string): number {
  const number = Number(text);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new RangeError(`Required is a number above 0, got "${text}"`);
}

function chosenCases({ only, quick }: Options): Case[] {
  if (only.length === 0) return CASES.filter(({ slow }) => !quick || !slow);
  return CASES.filter(({ name }) => only.some((part) => name.startsWith(part)));
}

async function measureAll(
  cases: readonly Case[],
  options: Options,
): Promise<{ rows: Row[]; runtime: string }> {
  await using site = await Site.open(options.scale);
  const stop = async () => {
    await site[Symbol.asyncDispose]();
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", stop);
  const measured: Measured[] = [];
  for (const one of cases) {
    const rounds = one.slow ? 1 : options.rounds;
    measured.push(
      await measure(site, one, rounds, (text) => console.error(text)),
    );
  }
  Deno.removeSignalListener("SIGINT", stop);
  return { rows: measured.flatMap(rowsOf), runtime: site.programs.runtime };
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "number") return options;
  const cases = chosenCases(options);
  if (cases.length === 0) {
    console.error(`No case begins with ${options.only.join(" or ")}\n`);
    console.error(CASES.map(({ name }) => name).join("\n"));
    return 2;
  }
  const before = busyWarning();
  if (before !== undefined) console.error(before);
  const startedAt = performance.now();
  const { rows, runtime } = await measureAll(cases, options);
  const about = {
    ...describeMachine(),
    peers: { ...PACKAGES, runtime },
    rounds: options.rounds,
    scale: options.scale,
    seconds: Math.round((performance.now() - startedAt) / 1000),
    ...(before === undefined ? {} : { warning: before }),
  };
  if (options.json) console.log(JSON.stringify({ about, rows }, null, 2));
  else console.log(`${describe(about)}\n\n${printTable(rows)}`);
  if (options.write) {
    const { writeReport } = await import("./report.ts");
    await writeReport(rows, describe(about));
  }
  const refused = rows.some(({ cells }) =>
    Object.values(cells).some(({ kind }) => kind === "refused")
  );
  return refused ? 1 : 0;
}

/** Where and how it was measured, in a few lines. */
function describe(
  about: ReturnType<typeof describeMachine> & {
    readonly peers: Record<string, string>;
    readonly rounds: number;
    readonly scale: number;
    readonly seconds: number;
    readonly warning?: string;
  },
): string {
  const { bullmq, ioredis, "bee-queue": beeQueue, runtime } = about.peers;
  return [
    `${about.date}: ${about.cores} × ${about.processor}, ${about.memoryGiB} ` +
    `GiB, ${about.system}; Redis ${about.redis}, Deno ${about.deno}.`,
    `Peers: BullMQ ${bullmq} with ioredis ${ioredis} and bee-queue ` +
    `${beeQueue}, under ${runtime}.`,
    `Medians of ${about.rounds} rounds, ± half the distance of the extremes` +
    (about.scale === 1 ? "" : `; ${about.scale} of the jobs of a full run`) +
    `; ${about.seconds} s.`,
    ...(about.warning === undefined ? [] : [about.warning]),
  ].join("\n");
}

if (import.meta.main) Deno.exit(await main(Deno.args));
