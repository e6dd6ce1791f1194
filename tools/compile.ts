/**
 * `deno task compile`: builds the program `dist/mqk` for this machine, or with
 * `--target <triple>` for another one, with the `deno` that runs this.
 * `--output <file>` puts it elsewhere.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";

const ROOT = join(import.meta.dirname!, "..");
/** Modules that no import statement of the entry leads to. */
const INCLUDED = ["src/thread/main.ts", "mod.ts"];

const { values } = parseArgs({
  args: Deno.args,
  options: { target: { type: "string" }, output: { type: "string" } },
});
const windows = values.target?.includes("windows") ??
  Deno.build.os === "windows";
const output = values.output ??
  join(ROOT, "dist", windows ? "mqk.exe" : "mqk");

const { success } = await new Deno.Command(Deno.execPath(), {
  args: [
    "compile",
    "--quiet",
    "--allow-all",
    // Checked by `deno task check`, with the newest Deno.
    "--no-check",
    "--unstable-worker-options",
    ...INCLUDED.flatMap((path) => ["--include", path]),
    ...(values.target === undefined ? [] : ["--target", values.target]),
    "--output",
    output,
    "cli.ts",
  ],
  cwd: ROOT,
  stdin: "null",
}).spawn().status;
if (!success) Deno.exit(1);
console.log(`${output}: ${megabytes(Deno.statSync(output).size)}`);

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
