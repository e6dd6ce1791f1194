/**
 * Says which queues are late, for a check that runs every minute: exits with 1
 * if the next job of a queue was sent too long ago.
 *
 *     deno run -A late.ts 30    more than 30 seconds
 */

/** What of `mqk queues --json` is looked at. */
interface Queue {
  readonly queue: string;
  readonly state: string;
  readonly ready: number;
  readonly oldestSeconds?: number;
}

const limitSeconds = Number(Deno.args[0] ?? 30);
const { code, stdout } = await new Deno.Command(Deno.execPath(), {
  args: ["task", "--quiet", "mqk", "queues", "--interval", "0.1", "--json"],
  cwd: import.meta.dirname,
  stderr: "inherit",
}).output();
const lines = new TextDecoder().decode(stdout).trim().split("\n");
let late = code !== 0;
for (const line of lines.filter((line) => line !== "")) {
  const { queue, state, ready, oldestSeconds = 0 }: Queue = JSON.parse(line);
  if (oldestSeconds <= limitSeconds) continue;
  late = true;
  console.log(
    `${queue} is late: ${ready} jobs wait, the next one since ` +
      `${Math.round(oldestSeconds)} s (${state})`,
  );
}
Deno.exit(late ? 1 : 0);
