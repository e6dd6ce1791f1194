import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { TempDir } from "../harness/temp_dir.ts";

const FIXTURE = fileURLToPath(import.meta.resolve("./fixtures/typed_jobs.ts"));
const EXPECTED = /^\s*\/\/ @ts-expect-error: .*$/gm;

Deno.test("a wrong argument, name or type of a result fails deno check, and nothing else does", async () => {
  await using folder = new TempDir();
  const source = Deno.readTextFileSync(FIXTURE);
  const lines = source.split("\n");
  const wrong = lines.flatMap((line, i) =>
    line.match(EXPECTED) ? [lines[i + 1].trim()] : []
  );
  assert.ok(wrong.length > 15);
  const uncovered = folder.write(
    "uncovered.ts",
    source.replace(EXPECTED, "").replace(
      /"(\.\.?\/(?!jobs\/)[^"]*\.ts)"/g,
      (_, specifier) =>
        JSON.stringify(pathToFileURL(join(dirname(FIXTURE), specifier))),
    ),
  );
  // The fixture itself is right; both at once take the time of one.
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", FIXTURE, uncovered],
    cwd: dirname(FIXTURE),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stderr);
  assert.notEqual(code, 0);
  assert.match(text, new RegExp(`Found ${wrong.length} errors`));
  assert.doesNotMatch(text, /fixtures\/typed_jobs\.ts/);
  for (const line of wrong) assert.ok(text.includes(line), line);
});
