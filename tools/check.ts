/**
 * `deno task check`: all that can be checked without running a test. Goes
 * through every step and then names those that failed.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname!, "..");
const ENTRIES = ["mod.ts", "cli.ts", "testing.ts"];
const SOURCES = [...ENTRIES, "src", "tests", "tools", "examples", "bench"]
  .filter((path) => existsSync(join(ROOT, path)));

const STEPS: Record<string, string[]> = {
  "format": ["fmt", "--check"],
  "lint": ["lint"],
  "types": ["check", "--quiet", ...SOURCES],
  "docstrings": ["doc", "--lint", ...ENTRIES],
  "generated Lua module": ["run", "-A", "tools/embed_lua.ts", "--check"],
  "publishing": ["publish", "--quiet", "--dry-run", "--allow-dirty"],
};

const failed: string[] = [];
for (const [name, args] of Object.entries(STEPS)) {
  console.log(`\n== ${name}: deno ${args.join(" ")}`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: name === "docstrings" ? "null" : "inherit",
    stderr: "inherit",
  }).spawn().status;
  if (!success) failed.push(name);
}
console.log(
  failed.length === 0
    ? "\nAll checks passed"
    : `\nFailed: ${failed.join(", ")}`,
);
Deno.exit(failed.length === 0 ? 0 : 1);
