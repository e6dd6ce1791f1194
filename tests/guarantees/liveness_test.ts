import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { Proxy } from "../harness/proxy.ts";
import { Site } from "./site.ts";

const JOBS = `
export const quick = () => ran();
export async function half() { ran(); await sleep(500); }
export async function hog() { ran(); await sleep(120_000); }
export async function deaf() { ran(); await new Promise(() => {}); }
export function fails() { ran(); throw new Error("on purpose"); }
export async function busyAgainAndAgain(seconds: number) {
  ran();
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const until = Date.now() + 700;
    while (Date.now() < until);
    await sleep(0);
  }
}
`;

/** A job of this queue is left as one that had neighbours when they died. */
async function leaveSuspect(site: Site, queue: string): Promise<string> {
  const { id } = await site.client.invoke({ job: "./jobs.ts#quick", queue });
  const redis = site.redis!;
  const message = await redis.call("LPOP", `mqk:{${queue}}:ready`) as string;
  await redis.call("RPUSH", `mqk:{${queue}}:suspect`, message);
  return id;
}

Deno.test("a suspect of a later queue runs though an earlier one never gets empty", async () => {
  await using site = await Site.open("redis", JOBS);
  const specs = Array.from({ length: 1_000 }, () => ({
    job: "./jobs.ts#half",
    queue: "first",
    result: false,
  }));
  await site.client.invokeMany(specs);
  const mqk = await site.run(
    ...["-w", "1", "--concurrency", "10"],
    ...["--queue", "first", "--queue", "second"],
  );
  await eventually(() => assert.ok(site.lines().length >= 20), 20_000);
  const suspect = await leaveSuspect(site, "second");
  await eventually(() => assert.ok(site.starts().has(suspect)), 20_000);
  const before = site.lines().length;
  await eventually(
    () => assert.ok(site.lines().length >= before + 20),
    20_000,
  );
  mqk.signal("SIGQUIT");
  assert.equal(await mqk.exitCode(), 0);
});

Deno.test("a queue in which nothing can be settled does not stop the others", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run(
    ...["-w", "1", "--queue", "spoiled", "--queue", "other"],
  );
  const other = () =>
    site.client.invoke({ job: "./jobs.ts#quick", queue: "other" });
  await (await other()).result();
  await site.redis!.call("SET", "mqk:{spoiled}:retry", "foreign");
  await site.client.invoke({
    job: "./jobs.ts#fails",
    queue: "spoiled",
    backoff: { fixed: 1 },
  });
  const complains = (line: string) => line.includes("Cannot settle");
  await eventually(() => assert.ok(mqk.stderr.some(complains)), 20_000);
  // By then the spoiled queue was asked again.
  const endMs = performance.now() + 3_000;
  while (performance.now() < endMs) {
    await (await other()).result({ timeout: 5 });
  }
  mqk.signal("SIGQUIT");
  await mqk.exitCode();
});

Deno.test("a queue that is refused does not stop those behind it", async () => {
  await using site = await Site.open("redis", JOBS);
  const redis = site.redis!;
  await redis.call("ACL", "SETUSER", "w", "on", ">pw", "+@all", "~*", "&*");
  const mqk = await site.runOn(
    site.dsn.replace("redis://", "redis://w:pw@"),
    ...["-w", "1", "--queue", "a", "--queue", "b"],
  );
  const b = (delay?: number) =>
    site.client.invoke({ job: "./jobs.ts#quick", queue: "b", delay });
  await (await b()).result();
  await redis.call(
    ...["ACL", "SETUSER", "w", "resetkeys"],
    ...["~mqk:{b}:*", "~mqk:queues", "~mqk:worker:*"],
  );
  await eventually(() => assert.match(mqk.stderr.join("\n"), /NOPERM/));
  await (await b()).result({ timeout: 5 });
  await (await b(1)).result({ timeout: 10 });
  mqk.signal("SIGQUIT");
  await mqk.exitCode();
});

Deno.test("jobs whose answer was lost run though their worker has no place for its queue", async () => {
  await using site = await Site.open("redis", JOBS);
  await using proxy = new Proxy(site.redis!.port);
  const lost = Promise.withResolvers<void>();
  let armed = false;
  proxy.decide = (request) => {
    const wakes = request.includes("BLMOVE") && request.includes("{b}");
    if (!armed || !wakes) return "answered";
    armed = false;
    lost.resolve();
    return "answer is cut off";
  };
  const full = await site.runOn(
    `redis://127.0.0.1:${proxy.port}`,
    ...["-w", "1", "--concurrency", "2", "--queue", "a", "--queue", "b"],
  );
  const hog = (queue: string) =>
    site.client.invoke({ job: "./jobs.ts#hog", queue, ttl: 200 });
  await hog("b");
  await eventually(() => assert.equal(site.lines().length, 1));
  armed = true;
  await lost.promise;
  const job = await site.client.invoke({ job: "./jobs.ts#quick", queue: "b" });
  await hog("a");
  const idle = await site.run("-w", "1", "--queue", "b");
  await job.result({ timeout: 15 });
  for (const mqk of [full, idle]) {
    mqk.signal("SIGQUIT");
    await mqk.exitCode();
  }
});

Deno.test("a short job runs beside one that blocks the thread again and again", async () => {
  await using site = await Site.open("redis", JOBS);
  await site.run("-w", "1", "--concurrency", "5");
  await (await site.client.invoke("./jobs.ts#quick")).result();
  await site.client.invoke(
    { job: "./jobs.ts#busyAgainAndAgain", ttl: 60 },
    40,
  );
  await eventually(() => assert.equal(site.lines().length, 2));
  for (let n = 0; n < 2; n++) {
    const quick = await site.client.invoke("./jobs.ts#quick");
    await quick.result({ timeout: 15 });
  }
});

Deno.test("burst mode ends though one of its queues can't be served", async () => {
  await using site = await Site.open("redis", JOBS);
  await site.redis!.call("SET", "mqk:{spoiled}:ready", "foreign");
  const job = await site.client.invoke({
    job: "./jobs.ts#quick",
    queue: "good",
  });
  const mqk = await site.run(
    ...["-w", "1", "--burst", "--queue", "spoiled", "--queue", "good"],
  );
  assert.equal(await mqk.exitCode(), 0);
  assert.ok(site.starts().has(job.id));
});

Deno.test("the jobs of a group whose rate allows ten a second do not wait for the reaper", async () => {
  await using site = await Site.open("redis", JOBS);
  const queue = site.client.queue("default");
  await queue.setLimits({ group: { rate: { jobs: 1, per: 0.1 } } });
  await site.run("-w", "1");
  await (await site.client.invoke("./jobs.ts#quick")).result();
  const startedAt = performance.now();
  const jobs = await site.client.invokeMany(
    Array.from({ length: 10 }, () => ({ job: "./jobs.ts#quick", group: "g" })),
  );
  await Promise.all(jobs.map((job) => job.result({ timeout: 20 })));
  const tookMs = Math.round(performance.now() - startedAt);
  console.log(`ten jobs took ${tookMs} ms`);
  assert.ok(tookMs < 5_000);
});

Deno.test("the successor of a worker that replaces itself does not wait for its long jobs", async () => {
  await using site = await Site.open("redis", JOBS);
  const mqk = await site.run("-w", "1", "--concurrency", "5");
  await site.client.invoke({ job: "./jobs.ts#hog", ttl: 200 });
  await site.client.invoke({ job: "./jobs.ts#deaf", ttl: 1, retries: 0 });
  await eventually(() => assert.equal(mqk.workerPids.length, 2), 20_000);
  for (let n = 0; n < 5; n++) {
    const quick = await site.client.invoke("./jobs.ts#quick");
    await quick.result({ timeout: 5 });
  }
  mqk.signal("SIGQUIT");
  assert.equal(await mqk.exitCode(), 0);
});
