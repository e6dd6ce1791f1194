/**
 * Rows as text: in columns on a terminal, with single blanks in a pipe.
 *
 * @module
 */

/** What a column shows of a row. */
export interface Column<Row> {
  readonly title: string;
  /** Numbers are read from the right. */
  readonly right?: boolean;
  readonly of: (row: Row) => string | number | undefined;
}

/** How the lines of a table look. */
export interface TableLayout {
  /** Columns stand below each other. Default: if stdout is a terminal. */
  readonly aligned?: boolean;
  /** Longer lines are cut; only if aligned. Default: that of the terminal. */
  readonly width?: number;
}

/** Prints rows below the titles of their columns. */
export function printTable<Row>(
  columns: readonly Column<Row>[],
  rows: Iterable<Row>,
): void {
  console.log(tableLines(columns, rows).join("\n"));
}

/** The lines of a table: the titles, then a line a row. */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: Iterable<Row>,
  { aligned = Deno.stdout.isTerminal(), width }: TableLayout = {},
): string[] {
  const cells = [columns.map(({ title }) => title.toUpperCase())];
  for (const row of rows) cells.push(columns.map(({ of }) => cell(of(row))));
  if (!aligned) return cells.map((line) => line.join(" "));
  const widths = columns.map((_, i) =>
    Math.max(...cells.map((line) => line[i].length))
  );
  const most = width ?? terminalWidth();
  return cells.map((line) =>
    line.map((text, i) =>
      columns[i].right ? text.padStart(widths[i]) : text.padEnd(widths[i])
    ).join("  ").trimEnd().slice(0, most)
  );
}

/** A value as one piece of text without line breaks; `-` if there is none. */
function cell(value: string | number | undefined): string {
  const text = String(value ?? "").replace(/\p{Cc}+/gu, " ").trim();
  return text === "" ? "-" : text;
}

function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns || Infinity;
  } catch {
    return Infinity;
  }
}
