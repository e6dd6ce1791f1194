import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { decodeMessage } from "../src/job/message.ts";
import { eventually } from "./harness/eventually.ts";
import { mqk } from "./harness/mqk_process.ts";
import { TempDir } from "./harness/temp_dir.ts";
import { type Block, blocks, codeSpans, setting } from "./manual/blocks.ts";
import { ReaderProject, ROOT } from "./manual/project.ts";

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
/** What a reader tries, in this order, in one folder. */
const PAGES = ["README.md", "docs/features.md", "docs/commands.md"] as const;
const texts = new Map(
  PAGES.map((page) => [page, Deno.readTextFileSync(join(ROOT, page))]),
);
const COMMANDS_PAGE = texts.get("docs/commands.md")!;

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
    if (line === "...") continue; // Here the manual leaves lines out.
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
  name: string,
  { text }: Block,
  heard: Heard,
): Promise<void> {
  project.write(name, text);
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

/** Does what a block says. */
async function tryBlock(
  project: ReaderProject,
  block: Block,
  program: string,
  heard: Heard,
): Promise<void> {
  switch (block.kind) {
    case "file":
      return project.write(block.note, block.text);
    case "run":
      return await runShell(project, block, heard);
    case "program":
      return await runProgram(project, program, block, heard);
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
      assert.fail("No comment before the block says how it is tested");
  }
}

Deno.test("the manual's files, commands and programs work, in its order", async (t) => {
  await using project = new ReaderProject();
  const heard: Heard = { output: "", background: [] };
  const sources: string[] = [];
  for (const [page, text] of texts) {
    const name = page.replace(/^.*\/|\.md$/g, "");
    for (const block of blocks(text)) {
      const { kind, note, line, language } = block;
      const program = `${name}_${line}.ts`;
      if (kind === "program") sources.push(program);
      if (kind === "file" && language === "ts") sources.push(note);
      const first = block.text.trim().split("\n")[0];
      await t.step(
        `${page}, line ${line}: ${first}`,
        () => tryBlock(project, block, program, heard),
      );
    }
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

/** The options in the table of a section. */
function documentedOptions(heading: RegExp): string[] {
  const section = COMMANDS_PAGE.split(heading).at(-1)!.split(/^##/m)[0];
  return [...section.matchAll(/^\| ([^|]*?(?:\\\|)?[^|]*?) \|/gm)]
    .flatMap(([, cell]) => cell.match(/(?<=`)--?[\w-]+/g) ?? []);
}

for (const command of COMMANDS) {
  Deno.test(`the documented options of mqk ${command} are those of its help`, async () => {
    const name = command.split(" ")[0];
    const documented = [
      ...documentedOptions(/^## Where the queues are$/m),
      ...documentedOptions(
        new RegExp(`^## \`mqk (?:\\w+\\|)*${name}\\b.*$`, "m"),
      ),
    ];
    const known = (await helpOf(command))
      .filter((option) => option !== "-h" && option !== "--help");
    assert.ok(known.length > 2);
    assert.deepEqual(documented.sort(), known.sort());
  });
}

Deno.test("every option in the manual's prose is one", async () => {
  const spans = [...texts.values()].flatMap(codeSpans);
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

Deno.test("every file and heading that a page links to is there", () => {
  let links = 0;
  for (const page of pages(ROOT)) {
    const text = Deno.readTextFileSync(page);
    const targets = text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g);
    for (const [link, path, anchor] of targets) {
      links++;
      const target = path === "" ? page : join(page, "..", path);
      assert.ok(existsSync(target), `${page}: ${path}`);
      if (anchor === undefined) continue;
      const headings = anchors(Deno.readTextFileSync(target));
      assert.ok(headings.includes(anchor), `${page}: ${link}`);
    }
  }
  assert.ok(links > 10);
});

/** What links to the headings of a page end in. */
function anchors(markdown: string): string[] {
  const prose = markdown.replace(/^\s*```[\s\S]*?^\s*```$/gm, "");
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading.toLowerCase().replace(/[^\w\s-]/g, "").replaceAll(" ", "-")
  );
}

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
