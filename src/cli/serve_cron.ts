import { openBroker } from "../broker/open.ts";
import { defineSchedule } from "../client/schedules.ts";
import { CronRunner } from "../cron/cron_runner.ts";
import { CronProgram } from "../cron/program.ts";
import { checkQueueName } from "../job/policy.ts";
import { lifecycleLog } from "../log.ts";
import { listenToSignals } from "../master/signals.ts";
import { workerName } from "../master/worker_name.ts";
import { sleep } from "../time/sleep.ts";
import type { CronOptions } from "./cron.ts";
import { startLogging } from "./log.ts";
import { chosenDsn } from "./options.ts";
import { chosenPermissions } from "./permissions.ts";

/**
 * What `mqk cron` does, until the program ends or a signal ends it. Resolves
 * with the exit code.
 */
export async function serveCron(
  path: string,
  args: readonly string[],
  options: CronOptions,
): Promise<number> {
  const queue = options.queue ?? queueOf(path);
  await using _log = startLogging({
    verbosity: options.quiet ? -1 : options.verbose ? 1 : 0,
    format: "text",
  });
  await using broker = await openBroker(chosenDsn(options));
  await broker.register([queue]);
  const stopping = new AbortController();
  const quitting = new AbortController();
  let failure: Error | undefined;
  const stop = (now: boolean) => {
    stopping.abort();
    if (now) quitting.abort();
  };
  const runner = new CronRunner({
    broker,
    worker: workerName(),
    queue,
    define: (name, spec) =>
      defineSchedule(
        {
          store: () => Promise.resolve(broker.schedules),
          send: () => Promise.reject(new Error("It is sent nowhere")),
        },
        name,
        spec,
      ),
    failed: (error) => {
      failure ??= error;
      stop(true);
    },
  });
  const deno = Deno.build.standalone ? "deno" : Deno.execPath();
  if (Deno.build.standalone) await checkDeno(deno);
  await using program = CronProgram.start({
    deno,
    args: ["run", "--unstable-cron", ...flags(options), path, ...args],
    registered: (registration) => runner.register(registration),
  });
  using _signals = listenToSignals(
    (action) => {
      if (action === "stop" || action === "quit") stop(action === "quit");
    },
    { terminal: Deno.stdin.isTerminal() },
  );
  lifecycleLog.info("Crons of {path} on queue {queue}", { path, queue });
  let exitCode = 0;
  const ended = program.ended.then((code) => {
    if (!stopping.signal.aborted) exitCode = code;
    stop(true);
  });
  const ran = runner.run(program, stopping.signal);
  await Promise.race([ran, ended, aborted(stopping.signal)]);
  // Handlers that run have this long.
  await Promise.race([
    ran,
    sleep(options.shutdownTimeout * 1000, quitting.signal),
  ]);
  if (failure !== undefined) throw failure;
  return exitCode;
}

/** `cron.main` for `src/main.ts`. */
function queueOf(path: string): string {
  const name = path.replace(/[?#].*$/, "").split(/[\\/]/).at(-1)!
    .replace(/\.[a-z]+$/i, "");
  const queue = `cron.${name}`;
  checkQueueName(queue);
  return queue;
}

/** What the program may do: all, unless some of it is named. */
function flags(options: CronOptions): string[] {
  const permissions = chosenPermissions(options);
  if (permissions === undefined) return ["--allow-all"];
  return Object.entries(permissions).flatMap(([kind, allowed]) => {
    if (allowed === false) return [];
    return allowed === true
      ? `--allow-${kind}`
      : `--allow-${kind}=${(allowed as string[]).join(",")}`;
  });
}

/**
 * An older Deno calls the handlers by itself, in each process.
 *
 * @throws {Error} If there is none that leaves it to us.
 */
async function checkDeno(deno: string): Promise<void> {
  let text: string;
  try {
    const { stdout } = await new Deno.Command(deno, { args: ["--version"] })
      .output();
    text = new TextDecoder().decode(stdout);
  } catch (error) {
    throw new Error(
      "Cannot run the program: it needs Deno, and there is no deno in PATH",
      { cause: error },
    );
  }
  const [, major, minor] = /^deno (\d+)\.(\d+)/.exec(text) ?? [];
  if (Number(major) > 2 || Number(minor) >= 7) return;
  throw new Error(
    "Cannot run the program: it needs Deno 2.7 or later, and the one in PATH " +
      `is ${text.split("\n")[0]}`,
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}
