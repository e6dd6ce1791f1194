/**
 * What the live screen shows, as lines: no terminal is needed to make them.
 *
 * @module
 */
import { localTime } from "./local_time.ts";
import {
  type Overview,
  printRate,
  QUEUE_COLUMNS,
  type QueueState,
} from "./queue_looks.ts";
import type { Line, ScreenSize } from "./screen.ts";
import { tableLines } from "./table.ts";
import { WORKER_COLUMNS } from "./workers.ts";

const BARS = "▁▂▃▄▅▆▇█";

/** By what queues can be sorted: the name upwards, numbers downwards. */
export const SORT_KEYS = [
  "queue",
  "ready",
  "held",
  "retry",
  "failed",
  "oldestSeconds",
  "inPerSecond",
  "outPerSecond",
  "p99Ms",
] as const;

/** One of {@linkcode SORT_KEYS}. */
export type SortKey = typeof SORT_KEYS[number];

const SORT_NAMES: Partial<Record<SortKey, string>> = {
  oldestSeconds: "oldest",
  inPerSecond: "in/s",
  outPerSecond: "out/s",
  p99Ms: "p99",
};

/** What a page shows, and how. */
export interface PageState {
  readonly place: string;
  readonly time: Date;
  readonly overview: Overview;
  /** Jobs a second that left all queues, look by look. */
  readonly outPerSecond: readonly number[];
  readonly sort: SortKey;
  /** So many queues are scrolled away. */
  readonly scrolled: number;
  readonly paused: boolean;
  /** Why there is no newer look. */
  readonly error?: string;
}

/** A page as it fits on a terminal. */
export interface Page {
  readonly lines: readonly Line[];
  /** As far as there is something to see. */
  readonly scrolled: number;
}

/** Makes a page for a terminal of that size. */
export function makePage(state: PageState, size: ScreenSize): Page {
  const { overview: { queues, workers } } = state;
  const width = size.columns;
  const top: Line[] = [...headLines(state, width), { text: "" }];
  const free = size.rows - top.length - 1;
  // Workers get a third, or what the queues leave.
  const workerRows = Math.max(
    Math.floor(free / 3),
    free - (queues.length + 1) - 1,
  );
  const workerLines = workers.length === 0
    ? [{ text: "no worker" }]
    : table(tableLines(WORKER_COLUMNS, workers, { aligned: true, width }));
  const below = fit([{ text: "" }, ...workerLines], workerRows);
  const room = Math.max(1, free - below.length - 1);
  const scrolled = Math.max(0, Math.min(state.scrolled, queues.length - room));
  const rows = sorted(queues, state.sort).slice(scrolled);
  const above = table(
    tableLines(QUEUE_COLUMNS, rows, { aligned: true, width }),
  ).slice(0, room + 1);
  while (above.length < room + 1) above.push({ text: "" });
  const lines = [...top, ...above, ...below, footLine(state)];
  return { lines, scrolled };
}

/** Numbers as a row of bars, the last `width` of them. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = width > 0 ? values.slice(-width) : [];
  const most = Math.max(...shown, 0);
  return shown.map((value) =>
    BARS[most === 0 ? 0 : Math.round((value / most) * (BARS.length - 1))]
  ).join("");
}

function headLines(
  { place, time, overview, outPerSecond, paused, error }: PageState,
  width: number,
): Line[] {
  const { queues, workers } = overview;
  const sum = (of: (queue: QueueState) => number | undefined) =>
    queues.reduce((total, queue) => total + (of(queue) ?? 0), 0);
  const left = sum(({ ready, held, retry }) => ready + held + retry);
  const title = `mqk  ${localTime(time)}  ${place}`;
  const most = outPerSecond.length === 0 ? 0 : Math.max(...outPerSecond);
  const label = `out/s, at most ${printRate(most)}: `;
  return [
    { text: paused ? `${title}  PAUSED` : title },
    {
      text: error ??
        `left ${left}  in ${printRate(sum((queue) => queue.inPerSecond))}/s  ` +
          `out ${printRate(sum((queue) => queue.outPerSecond))}/s  ` +
          `failed ${sum(({ failed }) => failed)}  queues ${queues.length}  ` +
          `workers ${workers.length}`,
    },
    { text: label + sparkline(outPerSecond, width - label.length) },
  ];
}

function footLine({ sort }: PageState): Line {
  const name = SORT_NAMES[sort] ?? sort;
  return { text: `q quit  p pause  s sort (${name})  ↑↓ scroll` };
}

/** Titles, then rows. */
function table(lines: readonly string[]): Line[] {
  return lines.map((text, i) => ({ text, reverse: i === 0 }));
}

/** At most so many lines; says how many are missing. */
function fit(lines: readonly Line[], rows: number): Line[] {
  if (lines.length <= rows) return [...lines];
  if (rows < 3) return [];
  const missing = lines.length - (rows - 1);
  return [...lines.slice(0, rows - 1), { text: `and ${missing} more` }];
}

function sorted(queues: readonly QueueState[], key: SortKey): QueueState[] {
  return queues.toSorted((a, b) => {
    if (key === "queue") return a.queue < b.queue ? -1 : 1;
    return (b[key] ?? -1) - (a[key] ?? -1);
  });
}
