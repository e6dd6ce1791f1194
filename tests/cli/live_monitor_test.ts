import assert from "node:assert/strict";
import { Site } from "../guarantees/site.ts";
import { eventually } from "../harness/eventually.ts";
import { parsePid } from "../harness/read_pid.ts";
import { CLI, MqkProcess } from "../harness/mqk_process.ts";
import { Terminal } from "../harness/terminal.ts";

const JOBS = `
export async function wait(ms: number) { ran(); await sleep(ms); return ms; }
export function no() { throw new TypeError("not today"); }
`;
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

/** `mqk monitor` on a terminal of that size, and what its user sees. */
class Watched implements AsyncDisposable {
  readonly terminal: Terminal;
  readonly #site: Site;

  constructor(site: Site, args = "", { columns = 100, rows = 24 } = {}) {
    this.#site = site;
    const program = `'${Deno.execPath()}' run -q -A '${CLI}'`;
    const line = `stty cols ${columns} rows ${rows}; ` +
      `${program} monitor --interval 0.2 -s '${site.dsn}' ${args}; ` +
      `echo "code $?"; stty -a`;
    this.terminal = new Terminal(site.dir.path, line);
  }

  /** The page that stands there now. */
  get page(): string[] {
    const whole = this.terminal.text.split("\x1b[?2026l").slice(0, -1);
    const last = whole.at(-1)?.split("\x1b[?2026h")[1] ?? "";
    // deno-lint-ignore no-control-regex
    return last.split(/\x1b\[\d+;1H/).slice(1)
      // deno-lint-ignore no-control-regex
      .map((line) => line.replace(/\x1b\[[0-9;]*[A-Za-z]/g, ""));
  }

  async shows(check: (page: string[]) => boolean): Promise<string[]> {
    return await eventually(() => {
      const { page } = this;
      assert.ok(check(page), page.join("\n"));
      return page;
    }, 30_000);
  }

  async press(keys: string): Promise<void> {
    await this.terminal.press(new TextEncoder().encode(keys));
  }

  /** The number of the program, as the terminal's foreground process. */
  get pid(): number {
    const shell = Deno.readTextFileSync(`${this.#site.dir.path}/shell.pid`);
    const { stdout } = new Deno.Command("ps", {
      args: ["-o", "pid=", "--ppid", shell.trim()],
    }).outputSync();
    return parsePid(new TextDecoder().decode(stdout).trim().split("\n")[0]);
  }

  resize(columns: number, rows: number): void {
    const tty = Deno.readTextFileSync(`${this.#site.dir.path}/shell.tty`);
    const { success } = new Deno.Command("stty", {
      args: ["-F", tty.trim(), "cols", String(columns), "rows", String(rows)],
    }).outputSync();
    assert.ok(success);
  }

  /** It has ended with that code, and the terminal is as before. */
  async left(code: number): Promise<void> {
    await this.terminal.shows(/[^-]icanon[^]*[^-]echo\b/);
    const { text } = this.terminal;
    assert.equal(text.split(ENTER).length, 2, "taken over once");
    const [, after, ...more] = text.split(LEAVE);
    assert.equal(more.length, 0, "given back once");
    assert.match(after, new RegExp(`^code ${code}\r?\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminal[Symbol.asyncDispose]();
  }
}

for (const broker of ["redis", "sqlite"] as const) {
  Deno.test(`on a terminal monitor is a screen with queues, rates and workers (${broker})`, async () => {
    await using site = await Site.open(broker, JOBS);
    await site.client.invoke({ job: "./jobs.ts#wait", queue: "idle" }, 1);
    await using _run = await site.run("-w", "1", "--concurrency", "4");
    await site.client.invoke({ job: "./jobs.ts#no", retries: 0 });
    await site.client.invokeMany(
      Array(5000).fill({ job: "./jobs.ts#wait", args: [20] }),
    );
    await using watched = new Watched(site);
    const page = await watched.shows((page) =>
      page.some((line) => /^default +active +[1-9]/.test(line)) &&
      page.some((line) => /out [1-9]\d+\/s/.test(line)) &&
      page.some((line) => /^out\/s, at most \d+: [▁-█]{3}/.test(line))
    );
    assert.ok(page.some((line) => /^idle +unserved +1 /.test(line)));
    assert.ok(page.some((line) => /^WORKER +PID/.test(line)));
    assert.ok(page.some((line) => /failed 1 +queues 2 +workers 1/.test(line)));
    assert.equal(page.length, 24);
    assert.ok(page.every((line) => line.length <= 100));
    await watched.press("q");
    await watched.left(0);
  });
}

Deno.test("p holds the picture, s sorts, j scrolls, and Ctrl-C ends", async () => {
  await using site = await Site.open("redis", JOBS);
  const fill = (queue: string, count: number) =>
    site.client.invokeMany(
      Array(count).fill({ job: "./jobs.ts#wait", queue, args: [1] }),
    );
  await Promise.all([fill("a", 1), fill("b", 3), fill("c", 2)]);
  await using watched = new Watched(site);
  const order = () =>
    watched.page.flatMap((line) => /^([abc]) +unserved/.exec(line)?.[1] ?? [])
      .join("");
  await eventually(() => assert.equal(order(), "abc"), 30_000);
  await watched.press("s");
  await watched.shows((page) => page.at(-1)!.includes("sort (ready)"));
  assert.equal(order(), "bca");
  await watched.press("p");
  await watched.shows((page) => page[0].endsWith("PAUSED"));
  const [, held] = watched.page;
  await fill("a", 7);
  await watched.press("s");
  await watched.shows((page) => page.at(-1)!.includes("sort (held)"));
  assert.equal(watched.page[1], held);
  await watched.press("p");
  await watched.shows((page) => / 8 /.test(page.join("\n")));
  watched.resize(100, 8);
  await eventually(() => assert.equal(order(), "ab"));
  // As far as there is something to see.
  await watched.press("jjjj");
  await eventually(() => assert.equal(order(), "bc"));
  await watched.press("\x1b[A");
  await eventually(() => assert.equal(order(), "ab"));
  await watched.press("\x03");
  await watched.left(0);
});

Deno.test("the screen follows the size of the terminal", async () => {
  await using site = await Site.open("redis", JOBS);
  await site.client.invoke({ job: "./jobs.ts#wait" }, 1);
  await using watched = new Watched(site, "--interval 60");
  await watched.shows((page) => page.length === 24);
  watched.resize(40, 10);
  const page = await watched.shows((page) => page.length === 10);
  assert.ok(page.every((line) => line.length <= 40), page.join("\n"));
  watched.resize(1, 1);
  await watched.shows((page) => page.length === 1);
  watched.resize(120, 30);
  await watched.shows((page) => page.length === 30);
  await watched.press("q");
  await watched.left(0);
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  Deno.test(`${signal} gives the terminal back`, async () => {
    await using site = await Site.open("redis", JOBS);
    await using watched = new Watched(site);
    await watched.shows((page) => page.length === 24);
    Deno.kill(watched.pid, signal);
    await watched.left(0);
  });
}

Deno.test("a store that is away is said, and looked at again when it is back", async () => {
  await using site = await Site.open("redis", JOBS, { aof: true });
  await site.client.invoke({ job: "./jobs.ts#wait" }, 1);
  await using watched = new Watched(site);
  await watched.shows((page) => / left 1 | ^left 1 /.test(` ${page[1]}`));
  await site.redis!.kill();
  await watched.shows((page) => page[1].startsWith("Cannot look now: "));
  assert.ok(watched.page.some((line) => /^default +unserved +1/.test(line)));
  await site.redis!.restart();
  await watched.shows((page) => page[1].startsWith("left 1 "));
  site.redis!.pause();
  // It does not answer, and the end does not wait for it.
  await watched.press("q");
  await watched.left(0);
  site.redis!.resume();
});

Deno.test("with --plain, and in a pipe, it is the line that it always was", async () => {
  await using site = await Site.open("redis", JOBS);
  await site.client.invoke({ job: "./jobs.ts#wait" }, 1);
  const line = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,1\r?$/m;
  await using watched = new Watched(site, "--plain");
  await watched.terminal.shows(line);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(watched.terminal.text, /\x1b/);
  await using piped = MqkProcess.command(["monitor", "-s", site.dsn]);
  await eventually(() => assert.match(piped.stdout[0] ?? "", line));
});
