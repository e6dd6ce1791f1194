/**
 * `deno task test`: gets `redis-server` where it can, and `faketime`, which
 * sets the clock in some tests; runs all tests but the long ones, half of them
 * beside the others, and ends with what failed and the line `N passed, N failed`.
 * `deno task test:long` runs the long ones; `deno task test:binary` runs those
 * of the commands and of modules with the program that `deno task compile` has
 * made. Other arguments go to `deno test`: `deno task test tests/job`,
 * `deno task test --filter ttl`.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";

const ROOT = join(import.meta.dirname!, "..");
/** Tests that take more than about 30 s each. */
const LONG_TESTS = "tests/guarantees/long";
/** Half of the time of all tests; most of it is waiting. */
const BESIDE = ["tests/guarantees", "tests/cli", "tests/loader"];
/** The same of the long ones. */
const LONG_BESIDE = ["network_cut", "store_gone", "unread_output"]
  .map((name) => `${LONG_TESTS}/${name}_test.ts`);
/** Tests of the compiled program. */
const BINARY_TESTS = "tests/binary";
/** Tests that both programs must pass: what users see of commands and modules. */
const SHARED_TESTS = [
  "tests/cli/bad_input_test.ts",
  "tests/cli/bad_jobs_test.ts",
  "tests/cli/commands_test.ts",
  "tests/cli/metrics_test.ts",
  "tests/cli/signals_test.ts",
  "tests/cli/use_test.ts",
  "tests/examples_test.ts",
  "tests/loader/modules_test.ts",
  "tests/loader/packages_test.ts",
  "tests/loader/remote_modules_test.ts",
  "tests/sandbox",
];
/** What failed, and the summary, stand in the last lines; more is not kept. */
const TAIL_CHARACTERS = 16 * 1024;

/** Programs that tests run, and how to ask whether they work. */
const NEEDED: readonly string[][] = [
  ["redis-server", "--version"],
  ["faketime", "--version"],
];

/** How to get their packages, the first one that is there. */
const INSTALLERS = [
  {
    program: "apt-get",
    usable: () => Deno.build.os === "linux" && Deno.uid() === 0,
    commands: [["apt-get", "update"], [
      "apt-get",
      "install",
      "--yes",
      "--no-install-recommends",
      "redis-server",
      "faketime",
    ]],
  },
  {
    program: "brew",
    usable: () => true,
    commands: [["brew", "install", "redis", "libfaketime"]],
  },
];

async function works(program: string, ...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args,
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}

/** Runs a command with its output on stderr; `false` if it failed. */
async function run([program, ...args]: string[]): Promise<boolean> {
  console.error(`$ ${[program, ...args].join(" ")}`);
  const child = new Deno.Command(program, {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  await child.stdout.pipeTo(Deno.stderr.writable, { preventClose: true });
  return (await child.status).success;
}

/** The needed programs that do not work. */
async function missing(): Promise<string[]> {
  const found = await Promise.all(
    NEEDED.map(([program, ...args]) => works(program, ...args)),
  );
  return NEEDED.map(([program]) => program).filter((_, i) => !found[i]);
}

/** Installs what is missing; answers with what still is. */
async function install(): Promise<string[]> {
  let left = await missing();
  for (const { program, usable, commands } of INSTALLERS) {
    if (left.length === 0) break;
    if (!usable() || !await works(program, "--version")) continue;
    for (const command of commands) if (!await run(command)) break;
    left = await missing();
  }
  return left;
}

/**
 * Runs `deno test`, passes its output on once `turn` has come, and answers with
 * the exit code and the end of the output.
 */
async function test(
  args: readonly string[],
  turn: Promise<unknown>,
): Promise<[exitCode: number, tail: string]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "--allow-all",
      "--unstable-worker-options",
      // Tests import from servers of their own; that is not to be kept.
      "--no-lock",
      ...args,
    ],
    cwd: ROOT,
    env: Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {},
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const decoder = new TextDecoder();
  let tail = "";
  // Whoever prints must not wait for its turn.
  let printed: Promise<void> = turn.then(() => {});
  for await (const chunk of child.stdout) {
    printed = printed.then(() => print(chunk));
    tail = (tail + decoder.decode(chunk, { stream: true }))
      .slice(-TAIL_CHARACTERS);
  }
  await printed;
  return [(await child.status).code, stripVTControlCharacters(tail)];
}

async function print(chunk: Uint8Array): Promise<void> {
  for (let rest = chunk; rest.length > 0;) {
    rest = rest.subarray(await Deno.stdout.write(rest));
  }
}

/** Runs them beside each other; prints one after the other. */
async function testAll(
  runs: readonly (readonly string[])[],
): Promise<[exitCode: number, tail: string][]> {
  const results: Promise<[number, string]>[] = [];
  for (const args of runs) {
    results.push(test(args, results.at(-1) ?? Promise.resolve()));
  }
  return await Promise.all(results);
}

/** What `deno test` says of its failures, from the heading above them. */
function failures(output: string): string {
  return output.slice(Math.max(0, output.lastIndexOf("\n ERRORS ")));
}

/** How many passed and failed, from the last line of `deno test` that says so. */
function counts(exitCode: number, output: string): [number, number] {
  const summaries = [...output.matchAll(
    /^(?:ok|FAILED) \| (\d+) passed\b.*? \| (\d+) failed\b/gm,
  )];
  const [, passed, failed] = summaries.at(-1) ?? [];
  if (passed !== undefined) return [Number(passed), Number(failed)];
  // The tests did not even start, as after a type error.
  return [0, exitCode === 0 ? 0 : 1];
}

/** The arguments of each `deno test`; they run beside each other. */
function runs(kind: string | undefined, args: readonly string[]): string[][] {
  switch (kind) {
    case "--long":
      return args.length > 0
        ? [[LONG_TESTS, ...args]]
        : [[`--ignore=${LONG_BESIDE}`, LONG_TESTS], LONG_BESIDE];
    case "--binary":
      Deno.env.set("MQK_TEST_PROGRAM", compiledProgram());
      return [[BINARY_TESTS, ...SHARED_TESTS, ...args]];
    default:
      return args.length > 0
        ? [[`--ignore=${[LONG_TESTS, BINARY_TESTS]}`, ...args]]
        : [
          [`--ignore=${[...BESIDE, BINARY_TESTS]}`],
          [`--ignore=${LONG_TESTS}`, ...BESIDE],
        ];
  }
}

/** What `deno task compile` has made. */
function compiledProgram(): string {
  const name = Deno.build.os === "windows" ? "mqk.exe" : "mqk";
  const path = join(ROOT, "dist", name);
  if (existsSync(path)) return path;
  console.error(`There is no ${path}: run deno task compile first`);
  Deno.exit(1);
}

const left = await install();
if (left.length > 0) {
  console.error(
    `The tests need ${left.join(" and ")}: install with your package manager ` +
      "redis-server, version 6.2 or later, and faketime (apt-get install " +
      "redis-server faketime; brew install redis libfaketime)",
  );
  Deno.exit(1);
}
const kind = ["--long", "--binary"].find((name) => Deno.args.includes(name));
const args = Deno.args.filter((argument) => argument !== kind);
const results = await testAll(runs(kind, args));
const [passed, failed] = results.map((result) => counts(...result))
  .reduce((sum, each) => [sum[0] + each[0], sum[1] + each[1]]);
// Those of the last run stand right above.
for (const [exitCode, tail] of results.slice(0, -1)) {
  if (exitCode !== 0) console.log(failures(tail));
}
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(results.find(([code]) => code !== 0)?.[0] ?? 0);
