/**
 * The user of workers and producers is taken away, and given back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BrokerError, connect, EnqueueUncertainError } from "../../mod.ts";
import { eventually } from "../harness/eventually.ts";
import type { MqkProcess } from "../harness/mqk_process.ts";
import type { RedisServer } from "../harness/redis_server.ts";
import { together } from "../harness/together.ts";
import { Site } from "./site.ts";

const JOBS = `
export function pid() { ran(); return Deno.pid; }
export async function untilTold() {
  ran();
  while (!(await Deno.readTextFile("told.txt").catch(() => ""))) await sleep(50);
  return Deno.pid;
}
`;
const GIVE = [
  ...["ACL", "SETUSER", "app", "reset", "on", ">secret", "~mqk:*", "&mqk:*"],
  ...["+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "+time"],
  "-@dangerous",
];
/** Turning it off ends no connection: it says who may open one. */
const CLOSE = ["CLIENT", "KILL", "USER", "app"];
const WAYS: Record<string, { commands: string[][]; reason: RegExp }> = {
  "deleted": {
    commands: [["ACL", "DELUSER", "app"]],
    reason: /WRONGPASS .*user is disabled/,
  },
  "turned off": {
    commands: [["ACL", "SETUSER", "app", "off"], CLOSE],
    reason: /WRONGPASS .*user is disabled/,
  },
  "given another password": {
    commands: [["ACL", "SETUSER", "app", "resetpass", ">other"], CLOSE],
    reason: /WRONGPASS/,
  },
  "left without rights": {
    commands: [["ACL", "SETUSER", "app", "-@all"]],
    reason: /NOPERM .*no permissions/,
  },
};
/** So many attempts that a line for each would be a flood. */
const ATTEMPTS = 8;

/** How often the server has refused the user. */
async function refusals(redis: RedisServer): Promise<number> {
  const entries = await redis.call("ACL", "LOG", 128) as (string | number)[][];
  return entries
    .map((entry) => Number(entry[entry.indexOf("count") + 1]))
    .reduce((sum, count) => sum + count, 0);
}

/** The lines that say that something can't be done; no line is a stack's. */
function complaints({ stderr }: MqkProcess): string[] {
  for (const line of stderr) assert.match(line, /^\[.*\] \d+ \.[A-Z]+: /);
  return stderr.filter((line) => line.includes("Cannot"));
}

async function siteOfUser(): Promise<{ site: Site; dsn: string }> {
  const site = await Site.open("redis", JOBS);
  await site.redis!.call(...GIVE);
  return { site, dsn: site.dsn.replace("//", "//app:secret@") };
}

async function revoked(how: string, queues: readonly string[]): Promise<void> {
  const { commands, reason } = WAYS[how];
  const { site, dsn } = await siteOfUser();
  await using _site = site;
  const redis = site.redis!;
  const names = queues.flatMap((queue) => ["--queue", queue]);
  const mqk = await site.runOn(dsn, "-w", "1", ...names);
  const workers = await site.serving(mqk, 1);
  await using client = connect(dsn);
  const first = await client.invoke("./jobs.ts#pid");
  assert.ok(workers.includes(await first.result() as number));

  await redis.call("ACL", "LOG", "RESET");
  for (const command of commands) await redis.call(...command);
  // One that was on its way when the connection ended is uncertain.
  const refusal = await eventually(async () => {
    const error = await client.invoke("./jobs.ts#pid").catch((error) => error);
    assert.ok(!(error instanceof EnqueueUncertainError), `${error}`);
    return error;
  });
  assert.ok(refusal instanceof BrokerError, `${refusal}`);
  assert.match(refusal.message, reason);
  await eventually(async () => {
    assert.ok(await refusals(redis) >= ATTEMPTS);
    assert.ok(complaints(mqk).length > 0);
  }, 30_000);
  const said = complaints(mqk);
  console.log(`${how}, ${queues.length} queues: ${said.join("\n")}`);
  assert.equal(said.length, 1);
  assert.match(said[0], reason);

  await redis.call(...GIVE);
  const backAtMs = performance.now();
  const job = await client.invoke("./jobs.ts#pid");
  assert.ok(workers.includes(await job.result({ timeout: 15 }) as number));
  console.log(`back ${Math.round(performance.now() - backAtMs)} ms later`);
  assert.equal(complaints(mqk).length, 1);
}

for (const how of Object.keys(WAYS)) {
  Deno.test(`a worker whose user is ${how} says so once, and goes on when it is back`, async () => {
    const many = Array.from({ length: 8 }, (_, n) => `q${n}`);
    await together([
      revoked(how, ["default"]),
      revoked(how, ["default", ...many]),
    ]);
  });
}

Deno.test("a worker whose only job runs for long says as well that its user is gone", async () => {
  const { site, dsn } = await siteOfUser();
  await using _site = site;
  const mqk = await site.runOn(dsn, "-w", "1", "--concurrency", "1");
  const [worker] = await site.serving(mqk, 1);
  const job = await site.client.invoke("./jobs.ts#untilTold");
  await eventually(() => assert.equal(site.lines().length, 1));
  await site.redis!.call("ACL", "DELUSER", "app");
  await eventually(() => assert.ok(complaints(mqk).length > 0), 30_000);
  for (const line of complaints(mqk)) {
    assert.match(line, /Cannot re(new|serve) .*WRONGPASS/);
  }
  await site.redis!.call(...GIVE);
  site.dir.write("told.txt", "end");
  assert.equal(await job.result({ timeout: 15 }), worker);
  assert.equal(site.repeats([job.id]), 0);
});
