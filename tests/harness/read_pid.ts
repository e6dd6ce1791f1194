import assert from "node:assert/strict";

/**
 * The number of a process that a file names. Throws while it is not written: a
 * signal to process 0 ends the tests themselves.
 */
export function readPid(path: string): number {
  return parsePid(Deno.readTextFileSync(path));
}

/** The same of a text. */
export function parsePid(text: string): number {
  const digits = text.trim();
  assert.match(digits, /^[1-9]\d*$/);
  return Number(digits);
}
