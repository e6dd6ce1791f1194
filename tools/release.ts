/**
 * `deno task release`: builds the program for each system that it runs on, and
 * writes a SHA-256 file beside each, as `sha256sum --check` reads it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";

const ROOT = join(import.meta.dirname!, "..");
/** Deno's names for the systems, and how a download is called. */
const TARGETS: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "mqk-linux-x64",
  "aarch64-unknown-linux-gnu": "mqk-linux-arm64",
  "x86_64-apple-darwin": "mqk-macos-x64",
  "aarch64-apple-darwin": "mqk-macos-arm64",
  "x86_64-pc-windows-msvc": "mqk-windows-x64.exe",
};

for (const [target, name] of Object.entries(TARGETS)) {
  const output = join(ROOT, "dist", name);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", join(ROOT, "tools", "compile.ts")],
      ...["--target", target, "--output", output],
    ],
    stdin: "null",
  }).spawn().status;
  if (!success) Deno.exit(1);
  const sum = createHash("sha256").update(Deno.readFileSync(output))
    .digest("hex");
  Deno.writeTextFileSync(`${output}.sha256`, `${sum}  ${basename(output)}\n`);
}
