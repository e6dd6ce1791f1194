import { fileURLToPath } from "node:url";
import { QueueKeys } from "../src/broker/redis/keys.ts";
import type { RedisServer } from "../tests/harness/redis_server.ts";
import type { Killable } from "./programs.ts";
import type { Site } from "./site.ts";

const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));
const ROOT = fileURLToPath(new URL(".", import.meta.url));

/** Jobs of this folder, for the workers below. */
export const JOBS = {
  sum: "./jobs/measured.ts#sum",
  wait: "./jobs/measured.ts#wait",
  start: "./jobs/measured.ts#start",
  lasts: "./jobs/measured.ts#lasts",
  loops: "./jobs/measured.ts#loops",
} as const;

/** The real program, `mqk run`, in a process of its own. */
export class MqkRun implements AsyncDisposable, Killable {
  /** When it was started, in milliseconds since 1970. */
  readonly startedMs: number;
  readonly #child: Deno.ChildProcess;
  readonly #stderr: Promise<string>;
  readonly #processes: Set<Killable>;
  #ended = false;

  /** @param counting Where jobs leave how many ran, and how many there are. */
  constructor(
    { processes }: Site,
    dsn: string,
    args: readonly string[],
    counting?: { readonly folder: string; readonly jobs: number },
  ) {
    this.#processes = processes;
    processes.add(this);
    this.startedMs = performance.timeOrigin + performance.now();
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-check", "--allow-all", CLI],
        ...["run", "--quiet", "--root", ROOT, "-s", dsn, ...args],
      ],
      env: {
        MQK_BENCH_FOLDER: counting?.folder ?? "",
        MQK_BENCH_JOBS: String(counting?.jobs ?? 0),
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#stderr = new Response(this.#child.stderr).text();
    void this.#child.status.then(() => this.#ended = true);
  }

  /** Number of the master. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Numbers of the worker processes that live now. */
  get workerPids(): number[] {
    const { stdout } = new Deno.Command("ps", {
      args: ["-o", "pid=", "--ppid", String(this.pid)],
    }).outputSync();
    return new TextDecoder().decode(stdout).split("\n")
      .filter((line) => line.trim() !== "").map(Number);
  }

  /** Waits for its end, and answers after how many seconds that was. */
  async end(): Promise<number> {
    const { code } = await this.#child.status;
    const seconds =
      (performance.timeOrigin + performance.now() - this.startedMs) / 1000;
    if (code === 0) return seconds;
    throw new Error(`mqk run ended with ${code}: ${await this.#stderr}`);
  }

  /** Lets it end: what runs ends, what has not started is put back. */
  stop(): void {
    this.#child.kill("SIGTERM");
  }

  /** Ends it at once, with all its workers; what they hold is lost. */
  kill(): void {
    for (const pid of [this.pid, ...this.workerPids]) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.kill();
    this.#processes.delete(this);
    await this.#child.status;
    await this.#stderr;
  }
}

const TICKS_A_SECOND = 100;

/** CPU that a process has used so far; not a number if it is gone. */
export function cpuSecondsOf(pid: number): number {
  try {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`)
      .split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  } catch {
    return NaN;
  }
}

const LEFT = `
local left = 0
for i = 1, #KEYS, 4 do
  for j = i, i + 2 do left = left + redis.call('LLEN', KEYS[j]) end
  for _, worker in ipairs(redis.call('ZRANGE', KEYS[i + 3], 0, -1)) do
    local held = string.gsub(KEYS[i + 3], 'workers$', '') .. 'held:' .. worker
    left = left + redis.call('HLEN', held)
  end
end
return left`;

/** Queues, and the server that has them. */
export interface Place {
  readonly server: RedisServer;
  readonly queues: readonly string[];
}

/** How many jobs of these queues wait or are held, in one look at each place. */
export async function jobsLeft(places: readonly Place[]): Promise<number> {
  const left = await Promise.all(places.map(({ server, queues }) => {
    const keys = queues.flatMap((queue) => {
      const { ready, inbox, suspect, workers } = new QueueKeys(queue);
      return [ready, inbox, suspect, workers];
    });
    return server.call("EVAL", LEFT, keys.length, ...keys);
  }));
  return left.reduce<number>((sum, one) => sum + Number(one), 0);
}

/** How many outcomes these queues hold. */
export async function outcomesStored(
  places: readonly Place[],
): Promise<number> {
  let stored = 0;
  for (const { server, queues } of places) {
    for (const queue of queues) {
      const { meta } = new QueueKeys(queue);
      stored += Number(await server.call("HGET", meta, "results") ?? 0);
    }
  }
  return stored;
}

/** How many jobs have run by what they left in a folder. */
export function countedIn(folder: string): number {
  let counted = 0;
  for (const { name } of Deno.readDirSync(folder)) {
    counted += Number(Deno.readTextFileSync(`${folder}/${name}`));
  }
  return counted;
}
