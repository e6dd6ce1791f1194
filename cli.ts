/**
 * The program `mqk`: `deno run -A cli.ts --help`.
 *
 * @module
 */

if (import.meta.main) {
  // A worker needs nothing of the command line, and there may be many.
  if (Deno.args[0] === "work") {
    const { work } = await import("./src/cli/work.ts");
    await work();
  } else {
    const { runProgram } = await import("./src/cli/program.ts");
    Deno.exit(await runProgram(Deno.args));
  }
}
