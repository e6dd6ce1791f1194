import { hidePassword } from "../hide_password.ts";

/** Prints an error as one line without passwords. */
export function printError(text: string): void {
  const line = hidePassword(text).replace(/^error: /, "")
    .trim().replace(/\s*\n\s*/g, " ");
  const bytes = new TextEncoder().encode(`mqk: ${line}\n`);
  try {
    Deno.stderr.writeSync(bytes);
  } catch {
    // Nobody reads it.
  }
}
