/**
 * Writes `src/broker/redis/lua.ts` from the `.lua` files beside it; with
 * `--check` it only says whether that was forgotten. JSR takes no text imports.
 *
 * @module
 */
import { join } from "node:path";

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

/** Goes in front of each script that uses what it defines. */
const LIBRARIES = ["clock", "groups"];

const constants = LIBRARIES.map((name) =>
  `  ${name}: ${JSON.stringify(read(name))},\n`
);
const scripts = names
  .filter((name) => !LIBRARIES.includes(name))
  .map((name) => `  ${name}: ${JSON.stringify(read(name))},\n`);
const text =
  `// Generated from the .lua files by \`deno task lua\`: never edited.
// deno-lint-ignore-file
/** What scripts share, by name: see \`scripts.ts\`. */
export const LIBRARIES: {
${constants.map((line) => line.replace(/:.*,\n$/, ": string;\n")).join("")}} = {
${constants.join("")}};
/** The scripts by name. */
export const SCRIPTS: {
${scripts.map((line) => line.replace(/:.*,\n$/, ": string;\n")).join("")}} = {
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
