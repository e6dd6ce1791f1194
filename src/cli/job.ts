import { Command } from "npm:commander@15.1.0";
import { type Inspector, JOB_STATES } from "../broker/inspector.ts";
import { parseHandle } from "../client/handle.ts";
import type { AttemptRecord } from "../job/history.ts";
import { isJobId } from "../job/message.ts";
import { decodeOutcome, type Outcome } from "../job/outcome.ts";
import { ArgumentError } from "../errors.ts";
import { printDuration } from "./duration.ts";
import { jobJson } from "./job_json.ts";
import { JobSelection } from "./job_selection.ts";
import { localTime } from "./local_time.ts";
import {
  addStoreOptions,
  chosenDsn,
  queuesOption,
  type SetExitCode,
  type StoreOptions,
} from "./options.ts";
import { printError } from "./print_error.ts";
import { historyOf, type StoredJob } from "./stored_job.ts";
import { type Column, tableLines } from "./table.ts";

const HELP = `
The handle is what mqk invoke printed, or job.handle; an id does as well, and is
looked for in all queues. Of a job that is done only its result is known, as
long as that is kept. At most 100,000 jobs of each state of a queue are looked
at. Attempts are the last five that failed.

Exit codes: 0 found; 1 not found; 2 wrong usage.

Examples:
  mqk job default/0192a3b4.17/l8x2k0
  mqk job 0192a3b4.17 --json`;

interface JobOptions extends StoreOptions {
  readonly queue?: string[];
  readonly json?: true;
}

/** What is known of a job: where it lies, or how it ended. */
interface Found {
  readonly queue: string;
  readonly stored?: StoredJob;
  readonly outcome?: Outcome;
}

const ATTEMPT_COLUMNS: readonly Column<AttemptRecord>[] = [
  { title: "attempt", right: true, of: ({ attempt }) => attempt },
  { title: "worker", of: ({ worker }) => worker },
  { title: "start", of: ({ startMs }) => startMs && time(startMs) },
  { title: "end", of: ({ endMs }) => time(endMs) },
  {
    title: "ran",
    right: true,
    of: ({ startMs, endMs }) => startMs && ranFor(endMs - startMs),
  },
  { title: "reason", of: ({ error }) => error },
];

/** `mqk job`: what is known of one job. */
export function jobCommand(setExitCode: SetExitCode): Command {
  return addStoreOptions(new Command("job"))
    .description("show one job: arguments, attempts, result")
    .argument("<handle>", "its handle or id")
    .addOption(queuesOption("look in this queue only (default: all)"))
    .option("--json", "print a JSON object")
    .addHelpText("after", HELP)
    .action(async (text: string, options: JobOptions) => {
      setExitCode(await job(text, options));
    });
}

async function job(text: string, options: JobOptions): Promise<number> {
  const { id, queue } = readName(text);
  const { openInspector } = await import("../broker/open.ts");
  await using inspector = await openInspector(chosenDsn(options));
  const queues = queue === undefined
    ? options.queue ?? await inspector.queues()
    : [queue];
  const unseen: string[] = [];
  const found = await find(inspector, queues, id, unseen);
  if (found === undefined) {
    for (const line of unseen) printError(line);
    printError(
      `Cannot find job ${id}: it is unknown, or over and not kept` +
        (unseen.length > 0 ? ", or behind those" : ""),
    );
    return 1;
  }
  if (options.json) console.log(JSON.stringify(json(id, found)));
  else console.log(lines(id, found).join("\n"));
  return 0;
}

function readName(text: string): { id: string; queue?: string } {
  if (text.includes("/")) return parseHandle(text);
  if (text !== "") return { id: text };
  throw new ArgumentError("Cannot look for a job without its handle or id");
}

/** Looks for it from where jobs come from to where they end. */
async function find(
  inspector: Inspector,
  queues: readonly string[],
  id: string,
  unseen: string[],
): Promise<Found | undefined> {
  const over = await findOutcome(inspector, queues, id);
  if (over?.outcome?.kind === "done") return over;
  // An outcome that is no result is that of a failed job, or of nothing else.
  const states = over === undefined ? JOB_STATES : ["failed"] as const;
  const queue = over === undefined ? queues : [over.queue];
  const selection = new JobSelection(inspector, { ids: [id], queue }, states);
  for await (const stored of selection) {
    return { queue: stored.record.queue, stored };
  }
  unseen.push(...selection.unseen);
  // It may have ended while we looked.
  return over ?? await findOutcome(inspector, queues, id);
}

async function findOutcome(
  inspector: Inspector,
  queues: readonly string[],
  id: string,
): Promise<Found | undefined> {
  if (!isJobId(id)) return undefined;
  for (const queue of queues) {
    const text = await inspector.outcome(queue, id);
    if (text !== null) return { queue, outcome: decodeOutcome(text) };
  }
}

function lines(id: string, { queue, stored, outcome }: Found): string[] {
  const { record, message, entry } = stored ?? {};
  const error = entry?.error ??
    (outcome?.kind === "failed" ? outcome.error : undefined);
  const fields: readonly (readonly [string, string | undefined])[] = [
    ["id", id],
    ["queue", queue],
    ["state", stateOf(stored, outcome)],
    ["job", message?.job],
    ["arguments", message && JSON.stringify(message.args)],
    ["message", message === undefined ? entry?.message : undefined],
    ["attempt", message && `${message.attempt} of ${message.retries + 1}`],
    ["ttl", message && `${message.ttl} s`],
    ["group", message?.group],
    ["sent", message?.sentMs === undefined ? undefined : time(message.sentMs)],
    ["failed", record?.state === "failed" ? time(record.atMs!) : undefined],
    ["result", resultOf(outcome)],
    ["error", error && `${error.name}: ${error.message}`],
  ];
  const shown = fields.filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(9)} ${value}`);
  if (error?.stack !== undefined) shown.push("", error.stack);
  const history = stored === undefined ? [] : historyOf(stored);
  if (history.length > 0) {
    shown.push("", ...tableLines(ATTEMPT_COLUMNS, history));
  }
  return shown;
}

function stateOf(
  stored: StoredJob | undefined,
  outcome: Outcome | undefined,
): string {
  if (stored === undefined) {
    const { kind } = outcome!;
    return kind === "failed" || kind === "cancelled" ? kind : "done";
  }
  const { state, worker, atMs = 0 } = stored.record;
  switch (state) {
    case "held":
      return `held by ${worker}`;
    case "scheduled":
    case "retry":
      return atMs <= Date.now()
        ? `${state}, due`
        : `${state}, due ${time(atMs)}`;
    default:
      return state;
  }
}

function resultOf(outcome: Outcome | undefined): string | undefined {
  switch (outcome?.kind) {
    case "done":
      return outcome.json === "" ? "nothing" : outcome.json;
    case "not_serializable":
    case "too_large":
      return `not kept: ${outcome.message}`;
  }
}

function json(
  id: string,
  { queue, stored, outcome }: Found,
): Record<string, unknown> {
  if (stored !== undefined) return jobJson(stored);
  const ended = { id, queue, state: stateOf(undefined, outcome) };
  switch (outcome!.kind) {
    case "done":
      return {
        ...ended,
        result: outcome!.json === "" ? undefined : JSON.parse(outcome!.json),
      };
    case "failed":
      return { ...ended, attempt: outcome!.attempts, error: outcome!.error };
    case "cancelled":
      return ended;
    default:
      return { ...ended, notKept: outcome!.message };
  }
}

/** The clock that was read has no more digits. */
function ranFor(milliseconds: number): string | undefined {
  return milliseconds < 1 ? "<1ms" : printDuration(milliseconds);
}

function time(milliseconds: number): string {
  return localTime(new Date(milliseconds));
}
