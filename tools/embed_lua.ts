/**
 * Writes `src/broker/redis/lua.ts` from the `.lua` files beside it; with
 * `--check` it only says whether that was forgotten. JSR takes no text imports.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Libraries, scriptText } from "../src/broker/redis/script_text.ts";

const folder = join(import.meta.dirname!, "../src/broker/redis");
const target = join(folder, "lua.ts");

const names = [...Deno.readDirSync(folder)]
  .map((entry) => entry.name)
  .filter((name) => name.endsWith(".lua"))
  .map((name) => name.slice(0, -".lua".length))
  .sort();

/** A script without what only its readers need: each worker sends them all. */
function read(name: string): string {
  const lines = Deno.readTextFileSync(join(folder, `${name}.lua`)).split("\n")
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("--"));
  return `${lines.join("\n")}\n`;
}

/** What goes in front of the scripts that use it. */
const LIBRARIES = ["clock", "groups"] as const;
const libraries: Libraries = { clock: read("clock"), groups: read("groups") };

const constants = LIBRARIES.map((name) =>
  `  ${name}: ${JSON.stringify(libraries[name])},\n`
);
const bodies = names
  .filter((name) => !(name in libraries))
  .map((name) => {
    const body = read(name);
    // A worker would have to load a library to compute it.
    const sha = createHash("sha1").update(scriptText(body, libraries))
      .digest("hex");
    return { name, body, sha };
  });
const scripts = bodies.map(({ name, body, sha }) =>
  `  ${name}: {\n    sha: "${sha}",\n    body: ${JSON.stringify(body)},\n  },\n`
);
const text =
  `// Generated from the .lua files by \`deno task lua\`: never edited.
// deno-lint-ignore-file
/** What scripts share, by name: see \`script_text.ts\`. */
export const LIBRARIES: {
${LIBRARIES.map((name) => `  ${name}: string;\n`).join("")}} = {
${constants.join("")}};
/** The scripts by name; the digest is that of the whole text. */
export const SCRIPTS: {
${
    bodies.map(({ name }) => `  ${name}: { sha: string; body: string };\n`)
      .join("")
  }} = {
${scripts.join("")}};
`;

const present = await Deno.readTextFile(target).catch(() => "");
if (Deno.args.includes("--check")) {
  if (present !== text) {
    console.error(`${target} is stale: run \`deno task lua\``);
    Deno.exit(1);
  }
} else if (present !== text) {
  Deno.writeTextFileSync(target, text);
}
