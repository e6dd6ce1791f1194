/**
 * A job once a second, by a schedule: three times, then the schedule is paused.
 *
 *     deno task mqk run                       in one terminal
 *     deno run -A heartbeat.ts beats.txt      in another
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { schedule } from "@mqk/core";

const file = resolve(Deno.args[0] ?? "beats.txt");

const beat = await schedule("beat", {
  job: "./jobs/heartbeat.ts#beat",
  args: [file],
  every: 1,
});
console.log("beat: every second, next at", beat.nextAt?.toISOString());

const beats = () =>
  existsSync(file) ? Deno.readTextFileSync(file).split("\n").length - 1 : 0;
while (beats() < 3) await new Promise((done) => setTimeout(done, 100));
console.log("three beats");

console.log("paused:", await beat.pause());
