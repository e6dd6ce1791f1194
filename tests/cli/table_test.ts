import assert from "node:assert/strict";
import { type Column, tableLines } from "../../src/cli/table.ts";

type Row = readonly [name: string | undefined, count: number];

const COLUMNS: readonly Column<Row>[] = [
  { title: "name", of: ([name]) => name },
  { title: "count", right: true, of: ([, count]) => count },
];
const ROWS: readonly Row[] = [["a\tlong\nname", 7], [undefined, 12345678]];

Deno.test("on a terminal columns are aligned, numbers on the right", () => {
  assert.deepEqual(tableLines(COLUMNS, ROWS, { aligned: true, width: 80 }), [
    "NAME            COUNT",
    "a long name         7",
    "-            12345678",
  ]);
});

Deno.test("on a narrow terminal lines are cut", () => {
  const lines = tableLines(COLUMNS, ROWS, { aligned: true, width: 8 });
  assert.deepEqual(lines, ["NAME    ", "a long n", "-       "]);
});

Deno.test("in a pipe single blanks are between the columns, and nothing is cut", () => {
  assert.deepEqual(tableLines(COLUMNS, ROWS, { aligned: false, width: 8 }), [
    "NAME COUNT",
    "a long name 7",
    "- 12345678",
  ]);
});
