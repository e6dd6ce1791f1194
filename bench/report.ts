import { drawChart } from "./chart.ts";
import { printTable, type Row } from "./table.ts";

const README = new URL("./README.md", import.meta.url);
const CHART = new URL("./chart.svg", import.meta.url);
const BEGIN = "<!-- table: written by `deno task bench --write` -->\n";
const END = "<!-- end of table -->";

/** Puts the table into the README beside this file, and draws the chart. */
export async function writeReport(
  rows: readonly Row[],
  description: string,
): Promise<void> {
  const text = await Deno.readTextFile(README);
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`Cannot write the table: ${README} has no place for it`);
  }
  await Deno.writeTextFile(
    README,
    text.slice(0, begin + BEGIN.length) +
      `\n${description}\n\n${printTable(rows)}\n` + text.slice(end),
  );
  await Deno.writeTextFile(CHART, drawChart(rows, description.split("\n")[0]));
  // Both are checked in, so they look as the formatter wants them.
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", README.pathname, CHART.pathname],
  }).output();
}
