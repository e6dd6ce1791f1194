/**
 * The program `mqk`: `deno run -A cli.ts --help`.
 *
 * @module
 */
import { runProgram } from "./src/cli/program.ts";

if (import.meta.main) Deno.exit(await runProgram(Deno.args));
