/** The compiled program alone: no Deno beside it, no variables. */
import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { Project } from "../loader/project.ts";

const PROGRAM = Deno.env.get("MQK_TEST_PROGRAM")!;
const MAX_HELP_MS = 150;

/** Runs the program in a folder with nothing in its environment but a home. */
async function mqk(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(PROGRAM, {
    args,
    cwd,
    clearEnv: true,
    env: { HOME: cwd, PATH: "" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** The first line of `mqk monitor`. */
async function monitored(cwd: string): Promise<string> {
  await using monitor = MqkProcess.command(["monitor"], cwd, { HOME: cwd });
  await eventually(() => assert.notEqual(monitor.stdout.length, 0));
  return monitor.stdout[0];
}

Deno.test("alone in a folder it runs a job by URL and prints its result", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "localhost", onListen: () => {} },
    () =>
      new Response("export const twice = (n: number): number => 2 * n;", {
        headers: { "content-type": "application/typescript" },
      }),
  );
  await using project = Project.open({});
  const { path } = project.dir;
  const base = `http://localhost:${server.addr.port}`;
  const result = mqk(path, "invoke", "--wait", `${base}/job.ts#twice`, "21");
  await using worker = MqkProcess.start(
    ["--workers", "1", "--allow-import", base],
    path,
    { HOME: path },
  );
  await worker.ready();
  assert.equal(await result, "42\n");
});

Deno.test("alone in a folder it sends and runs jobs, its own and TypeScript", async () => {
  await using project = Project.open({
    "jobs/mail.ts":
      'export const send = (to: string): string => "sent to " + to;',
  });
  const { path } = project.dir;
  await mqk(path, "invoke", "mqk:calculator#sum", "1", "2");
  await mqk(path, "invoke", "./jobs/mail.ts#send", "ann");
  await mqk(path, "run", "--burst", "--workers", "1");
  assert.match(await monitored(path), /,0$/);
  assert.equal(await mqk(path, "failed", "list"), "");
  assert.match(await mqk(path, "--version"), /^mqk .*\ndeno .*\nv8 /);
});

Deno.test("--help is quick", async () => {
  await using project = Project.open({});
  const { path } = project.dir;
  const timesMs: number[] = [];
  const emptyMs: number[] = [];
  for (let i = 0; i < 10; i++) {
    const startMs = performance.now();
    assert.match(await mqk(path, "--help"), /Examples:/);
    timesMs.push(performance.now() - startMs);
    const emptyStartMs = performance.now();
    await new Deno.Command(Deno.execPath(), { args: ["eval", "0"] }).output();
    emptyMs.push(performance.now() - emptyStartMs);
  }
  const quickest = Math.min(...timesMs);
  // Where even an empty program takes long, the machine is busy.
  const limitMs = Math.max(2 * MAX_HELP_MS, 3 * Math.min(...emptyMs));
  console.log(`--help took ${quickest.toFixed(0)} of ${limitMs.toFixed(0)} ms`);
  assert.ok(quickest < limitMs);
});

Deno.test("a cache folder that can't be written fails the job with its name", async () => {
  await using project = Project.open({
    "job.ts": "export default (): number => 1;",
  });
  const file = project.dir.write("file", "");
  await project.run([], { MQK_CACHE_DIR: `${file}/below` });
  const { message } = await project.failing("./job.ts");
  assert.match(message, /Cannot write to the cache folder .*MQK_CACHE_DIR/);
  assert.equal(await project.call("mqk:calculator#sum", 1, 2), 3);
});

Deno.test("a damaged entry of the cache is made again", async () => {
  await using project = Project.open({
    "job.ts": "export default (n: number): number => n + 1;",
  });
  const folder = `${project.dir.path}/.cache/code`;
  const first = await project.run();
  assert.equal(await project.call("./job.ts", 1), 2);
  first.signal("SIGTERM");
  await first.exitCode();
  const entries = [...Deno.readDirSync(folder)];
  assert.equal(entries.length, 1);
  Deno.writeTextFileSync(`${folder}/${entries[0].name}`, "broken", {
    append: true,
  });
  await project.run();
  assert.equal(await project.call("./job.ts", 2), 3);
});

Deno.test("programs that start at once share an empty cache, and leave nothing half done", async () => {
  const modules = Array.from({ length: 20 }, (_, n) => n);
  await using project = Project.open({
    ...Object.fromEntries(modules.map((n) => [
      `m${n}.ts`,
      `${n > 0 ? `import { sum as before } from "./m${n - 1}.ts";` : ""}
export const sum = (x: number): number => x + ${n > 0 ? "before(x)" : 0};`,
    ])),
  });
  const programs = await Promise.all(
    Array.from({ length: 4 }, () => project.run(["-w", "2"])),
  );
  const calls = Array.from(
    { length: 40 },
    (_, x) => project.call("./m19.ts#sum", x),
  );
  assert.deepEqual(await Promise.all(calls), calls.map((_, x) => 20 * x));
  for (const program of programs) program.signal("SIGTERM");
  for (const program of programs) await program.exitCode();
  const entries = (kind: string) =>
    [...Deno.readDirSync(`${project.dir.path}/.cache/${kind}`)].length;
  assert.equal(entries("code"), modules.length);
  assert.equal(entries("run"), 0);
});
