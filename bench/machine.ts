import { cpus } from "node:os";

/** What the figures depend on. */
export interface Machine {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly deno: string;
  readonly redis: string;
}

/** Says where we are. */
export function describeMachine(): Machine {
  const { stdout } = new Deno.Command("redis-server", { args: ["--version"] })
    .outputSync();
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model.trim() ?? "unknown processor",
    cores: navigator.hardwareConcurrency,
    memoryGiB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    system: `${Deno.build.os} ${Deno.osRelease()}`,
    deno: Deno.version.deno,
    redis: /v=(\S+)/.exec(new TextDecoder().decode(stdout))?.[1] ?? "unknown",
  };
}

/** A line of warning if others use the machine; its load of the last minute. */
export function busyWarning(
  load: number = Deno.loadavg()[0],
  cores: number = navigator.hardwareConcurrency,
): string | undefined {
  if (load <= cores / 4) return undefined;
  return `Warning: the machine was busy before the start: load ${
    load.toFixed(1)
  } on ${cores} cores. These figures are lower, and vary more, than on a ` +
    `quiet machine.`;
}
