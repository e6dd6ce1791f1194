import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { decodeMessage } from "../src/job/message.ts";
import { eventually } from "./harness/eventually.ts";
import { mqk } from "./harness/mqk_process.ts";
import { TempDir } from "./harness/temp_dir.ts";
import { type Block, blocks, codeSpans, setting } from "./readme/blocks.ts";
import { ReaderProject, ROOT } from "./readme/project.ts";

const COMMANDS = [
  "run",
  "invoke",
  "monitor",
  "queues",
  "workers",
  "jobs",
  "job",
  "retry",
  "delete",
  "failed list",
  "cancel",
  "pause",
  "resume",
  "limit",
  "schedule add",
  "cron",
  "metrics",
  "doctor",
];
/** Not in the help: the historical spelling, and -v more than once. */
const HIDDEN = /^(--quite|-v+)$/;
const README = Deno.readTextFileSync(join(ROOT, "README.md"));

/** What a block printed, or a program in the background prints. */
interface Heard {
  output: string;
  background: readonly string[];
}

/** Ids, times and process numbers differ from run to run. */
function shape(text: string): string {
  return text.replace(/[\w-]{10}\.\d+/g, "ID")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "TIME")
    .replace(/\] \d+ \./g, "] PID .")
    .replace(/(Master work on|Worker) \d+/g, "$1 PID").trim();
}

async function runShell(
  project: ReaderProject,
  { text, note }: Block,
  heard: Heard,
): Promise<void> {
  if (setting(note, "background") !== undefined) {
    heard.background = await project.start(text.trim());
    return;
  }
  const { code, output } = await project.run(text, setting(note, "in"));
  assert.equal(code, Number(setting(note, "exit") ?? 0), output);
  heard.output = output;
}

async function checkOutput({ text, note }: Block, heard: Heard): Promise<void> {
  const inBackground = setting(note, "background") !== undefined;
  for (const line of text.trim().split("\n")) {
    const check = () => {
      const lines = inBackground ? heard.background : heard.output.split("\n");
      assert.ok(
        lines.some((other) => shape(other) === shape(line)),
        `"${line}" is not in:\n${lines.join("\n")}`,
      );
    };
    if (inBackground) await eventually(check);
    else check();
  }
}

async function runProgram(
  project: ReaderProject,
  block: Block,
  heard: Heard,
): Promise<void> {
  const name = `line_${block.line}.ts`;
  project.write(name, block.text);
  const { code, output } = await project.run(`deno run --allow-all ${name}`);
  assert.equal(code, 0, output);
  heard.output = output;
}

/** Options of a command, as its help prints them: `-w`, `--workers`. */
function helpOf(command: string): Promise<string[]> {
  let options = helps.get(command);
  if (options === undefined) helps.set(command, options = readHelp(command));
  return options;
}

const helps = new Map<string, Promise<string[]>>();

async function readHelp(command: string): Promise<string[]> {
  const { code, stdout } = await mqk([...command.split(" "), "--help"]);
  assert.equal(code, 0, command);
  return [...stdout.matchAll(/^ {2}(-\w)?(?:, )?(--[\w-]+)?/gm)]
    .flatMap(([, short, long]) => [short, long])
    .filter((option) => option !== undefined);
}

/** Each option in `mqk <command> --options`, unless the command knows it. */
async function unknownOptions(line: string): Promise<string[]> {
  const words = line.split(/\s+/);
  const command = words.slice(1, /^(failed|schedule)$/.test(words[1]) ? 3 : 2)
    .join(" ");
  const known = await helpOf(command);
  return words
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.split("=")[0])
    .filter((word) => !known.includes(word) && !HIDDEN.test(word));
}

async function checkUnit({ text }: Block): Promise<void> {
  const start = /^ExecStart=\S+\/(mqk .*)$/m.exec(text)![1];
  assert.deepEqual(await unknownOptions(start), []);
  if (!existsSync("/usr/bin/systemd-analyze")) return;
  await using folder = new TempDir();
  const unit = folder.write(
    "mqk.service",
    text.replace(/ExecStart=\S+/, "ExecStart=/bin/true"),
  );
  const { success, stderr } = await new Deno.Command("systemd-analyze", {
    args: ["verify", unit],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

async function checkContainer({ text }: Block): Promise<void> {
  const words = JSON.parse(/^CMD (.*)$/m.exec(text)![1]);
  assert.deepEqual(await unknownOptions(words.join(" ")), []);
  const { version } = Deno;
  assert.match(text, new RegExp(`deno:${version.deno.replace(/\.\d+$/, "")}`));
}

function checkElsewhere({ text, note }: Block): void {
  const task = /deno@2\.9 task (\w+)$/.exec(text.trim())![1];
  const config = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  assert.ok(task in config.tasks, task);
  const other = Deno.readTextFileSync(join(ROOT, note));
  assert.ok(
    other.includes(text.trim()) || other.includes(`"task", "${task}"`),
    `${note} does not run: ${text}`,
  );
}

Deno.test("the README's files, commands and programs work, in its order", async (t) => {
  await using project = new ReaderProject();
  const heard: Heard = { output: "", background: [] };
  const sources: string[] = [];
  for (const block of blocks(README)) {
    const { kind, note, text, line } = block;
    await t.step(`line ${line}: ${text.trim().split("\n")[0]}`, async () => {
      switch (kind) {
        case "file":
          project.write(note, text);
          if (block.language === "ts") sources.push(note);
          return;
        case "run":
          return await runShell(project, block, heard);
        case "program":
          sources.push(`line_${line}.ts`);
          return await runProgram(project, block, heard);
        case "output":
          return await checkOutput(block, heard);
        case "unit":
          return await checkUnit(block);
        case "container":
          return await checkContainer(block);
        case "elsewhere":
          return checkElsewhere(block);
        case "shape":
          return; // A test of the file that it names has the same lines.
        default:
          assert.fail(`No comment before the block says how it is tested`);
      }
    });
  }
  await t.step("its TypeScript has no type errors", async () => {
    const { code, output } = await project.run(
      `deno check ${sources.join(" ")}`,
    );
    assert.equal(code, 0, output);
  });
  await t.step(
    "all its workers end when they are told to",
    () => project.stop(),
  );
});

for (const command of COMMANDS) {
  Deno.test(`the README's options of mqk ${command} are those of its help`, async () => {
    const name = command.split(" ")[0];
    const heading = new RegExp(`^### \`mqk (\\w+\\|)?${name}\\b.*$`, "m");
    const section = README.split(heading).at(-1)!.split(/^##/m)[0];
    const documented = [...section.matchAll(/^\| ([^|]*?(?:\\\|)?[^|]*?) \|/gm)]
      .flatMap(([, cell]) => cell.match(/(?<=`)--?[\w-]+/g) ?? []);
    const known = (await helpOf(command))
      .filter((option) => option !== "-h" && option !== "--help");
    assert.ok(known.length > 2);
    assert.deepEqual(documented.sort(), known.sort());
  });
}

Deno.test("every option in the README's prose is one", async () => {
  const spans = codeSpans(README);
  const commands = spans.filter((code) =>
    /^mqk \w+ .*-/.test(code) && !code.includes("<")
  );
  assert.ok(commands.length > 3);
  for (const command of commands) {
    assert.deepEqual(await unknownOptions(command), [], command);
  }
  const known = (await Promise.all(COMMANDS.map(helpOf))).flat();
  for (const span of spans.filter((code) => /^--?\w/.test(code))) {
    const option = span.split(/[ =[]/)[0];
    assert.ok(known.includes(option) || HIDDEN.test(option), span);
  }
});

Deno.test("every file that a page links to is there", () => {
  let links = 0;
  for (const page of pages(ROOT)) {
    const text = Deno.readTextFileSync(page);
    for (const [, path] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      links++;
      assert.ok(existsSync(join(page, "..", path)), `${page}: ${path}`);
    }
  }
  assert.ok(links > 10);
});

/** All pages that are written for readers. */
function* pages(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = join(folder, entry.name);
    if (entry.isFile && path.endsWith(".md")) yield path;
    const hasPages = path.startsWith(join(ROOT, "docs"));
    if (entry.isDirectory && hasPages) yield* pages(path);
  }
}

Deno.test("docs/message_format.md has the defaults of a message", () => {
  const page = Deno.readTextFileSync(join(ROOT, "docs/message_format.md"));
  const message = decodeMessage('{"v":1,"job":"./x.ts#f"}');
  const defaults = [
    ...page.matchAll(/^\| `(\w+)` *\|.*\| `([^`|]+)` *\|$/gm),
  ];
  const documented = Object.fromEntries(
    defaults.map(([, field, text]) => [field, JSON.parse(text)]),
  );
  const { args, ttl, retries, backoff, attempt, result } = message;
  const expected = { args, ttl, retries, backoff, attempt, result };
  assert.deepEqual(documented, expected);
});
