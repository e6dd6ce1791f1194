/**
 * From samples to the lines of the table: pure.
 *
 * @module
 */
import type { Figure, Sample, Target } from "./case.ts";
import { type Measured, SUBJECTS } from "./measure.ts";
import type { SubjectName } from "./programs.ts";
import { median, spread } from "./statistics.ts";

/** What a subject has in a line. */
export type Cell =
  | {
    readonly kind: "figure";
    readonly median: number;
    readonly spread: number;
  }
  /** It was measured, and must not be shown. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "missing"; readonly reason: string };

/** One line of the table. */
export interface Row {
  /** Of its case. */
  readonly name: string;
  readonly title: string;
  readonly figure: Figure;
  readonly cells: Readonly<Record<SubjectName, Cell>>;
}

const NAMES: Record<SubjectName, string> = {
  mqk: "MQK",
  limit: "limit",
  bullmq: "BullMQ",
  beeQueue: "bee-queue",
};

/** The lines of a case; a figure whose count is wrong is refused. */
export function rowsOf({ case: one, samples, errors }: Measured): Row[] {
  return one.figures.map((figure) => ({
    name: one.name,
    title: figure.label === "" ? one.title : `${one.title}: ${figure.label}`,
    figure,
    cells: Object.fromEntries(SUBJECTS.map((subject) => {
      const reason = errors[subject];
      const cell = reason !== undefined
        ? { kind: "refused", reason }
        : cellOf(figure, samples[subject] ?? [], one.missing?.[subject]);
      return [subject, cell];
    })) as Record<SubjectName, Cell>,
  }));
}

function cellOf(
  { key, missing: missingFigure }: Figure,
  samples: readonly Sample[],
  missing = missingFigure ?? "is not measured here",
): Cell {
  for (const { checks } of samples) {
    for (const { what, expected, counted } of checks) {
      if (counted === expected) continue;
      return {
        kind: "refused",
        reason: `${what}: expected ${expected}, counted ${counted}`,
      };
    }
  }
  const values = samples.map((sample) => sample.values[key])
    .filter((value) => value !== undefined);
  if (values.length === 0) return { kind: "missing", reason: missing };
  const wrong = values.find((value) => !(value > 0 && Number.isFinite(value)));
  if (wrong !== undefined) {
    return { kind: "refused", reason: `${key} can't be ${wrong}` };
  }
  return { kind: "figure", median: median(values), spread: spread(values) };
}

/** How many times as good the first is: above 1 is better. */
export function timesAsGood(
  figure: Figure,
  ours: Cell,
  other: Cell,
): number | undefined {
  if (ours.kind !== "figure" || other.kind !== "figure") return undefined;
  return figure.higherIsBetter
    ? ours.median / other.median
    : other.median / ours.median;
}

/** Each part of a target as text, and whether it is reached. */
export function verdicts(row: Row): { text: string; reached: boolean }[] {
  const { figure, cells } = row;
  const { mqk } = cells;
  const target: Target = figure.target ?? {};
  if (mqk.kind !== "figure") return [];
  const found: { text: string; reached: boolean }[] = [];
  if (target.value !== undefined) {
    found.push({
      text: (figure.higherIsBetter ? "≥ " : "≤ ") +
        printNumber(target.value) + printUnit(figure),
      reached: figure.higherIsBetter
        ? mqk.median >= target.value
        : mqk.median <= target.value,
    });
  }
  for (const peer of ["bullmq", "beeQueue"] as const) {
    const least = target[peer];
    const times = timesAsGood(figure, mqk, cells[peer]);
    if (least === undefined || times === undefined) continue;
    found.push({
      text: `≥ ${printNumber(least)} × ${NAMES[peer]}`,
      reached: times >= least,
    });
  }
  const share = timesAsGood(figure, mqk, cells.limit);
  if (target.share !== undefined && share !== undefined) {
    found.push({
      text: `≥ ${printPercent(target.share)} of the limit`,
      reached: share >= target.share,
    });
  }
  return found;
}

/** The whole table in Markdown, its columns aligned, with notes below. */
export function printTable(rows: readonly Row[]): string {
  const notes: string[] = [];
  const lines = [
    [
      "case",
      "MQK",
      "limit",
      "share",
      "BullMQ",
      "×",
      "bee-queue",
      "×",
      "target",
    ],
    ...rows.map((row) => {
      const { figure, cells } = row;
      const cell = (subject: SubjectName) =>
        printCell(figure, cells[subject], NAMES[subject], notes);
      const times = (subject: SubjectName, print: (n: number) => string) => {
        const ratio = timesAsGood(figure, cells.mqk, cells[subject]);
        return ratio === undefined ? "" : print(ratio);
      };
      return [
        row.title,
        ...[cell("mqk"), cell("limit"), times("limit", printPercent)],
        ...[cell("bullmq"), times("bullmq", printNumber)],
        ...[cell("beeQueue"), times("beeQueue", printNumber)],
        verdicts(row)
          .map(({ text, reached }) => `${text} ${reached ? "✓" : "✗"}`)
          .join(", "),
      ];
    }),
  ];
  const widths = lines[0].map((_, i) =>
    Math.max(...lines.map((line) => [...line[i]].length))
  );
  const print = (line: readonly string[]) =>
    `| ${
      line.map((text, i) => text + " ".repeat(widths[i] - [...text].length))
        .join(" | ")
    } |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [
    print(lines[0]),
    rule,
    ...lines.slice(1).map(print),
    "",
    ...notes.map((note, i) => `${i + 1}. ${note}`),
  ].join("\n").trimEnd() + "\n";
}

function printCell(
  figure: Figure,
  cell: Cell,
  name: string,
  notes: string[],
): string {
  if (cell.kind === "figure") {
    const middle = printNumber(cell.median) + printUnit(figure);
    return cell.spread < 0.005
      ? middle
      : `${middle} ±${printPercent(cell.spread)}`;
  }
  const note = cell.kind === "missing"
    ? `${name}: ${cell.reason}`
    : `**${name}: refused: ${cell.reason}**`;
  let place = notes.indexOf(note);
  if (place < 0) place = notes.push(note) - 1;
  return `${cell.kind === "missing" ? "—" : "refused"} (${place + 1})`;
}

function printUnit({ unit }: Figure): string {
  return unit === "/s" ? unit : ` ${unit}`;
}

function printPercent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Three digits that count; the rest would be noise. */
export function printNumber(value: number): string {
  if (value === 0) return "0";
  const digits = Math.floor(Math.log10(Math.abs(value)));
  const step = 10 ** Math.max(0, digits - 2);
  return (Math.round(value / step) * step === 0 || digits < 2
    ? Number(value.toPrecision(3))
    : Math.round(value / step) * step).toLocaleString("en-US", {
      maximumFractionDigits: Math.max(0, 2 - digits),
    });
}
