import { readFileSync } from "node:fs";

/** Milliseconds of CPU that these processes have used; one that ended: none. */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended.
    }
  }
  return ticks * MS_PER_TICK;
}

/** Linux counts a process's CPU in hundredths of a second. */
const MS_PER_TICK = 10;
