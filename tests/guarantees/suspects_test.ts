import assert from "node:assert/strict";
import { Scripts } from "../../src/broker/redis/scripts.ts";
import { eventually } from "../harness/eventually.ts";
import { Proxy } from "../harness/proxy.ts";
import { Site } from "./site.ts";

const JOBS = `
export async function onceLong() {
  const first = !Deno.readTextFileSync("ran.txt").includes(currentJob().id);
  ran();
  if (first) await sleep(60_000);
}
`;

Deno.test("a suspect that is about to begin when QUIT comes keeps its attempt", async () => {
  await using site = await Site.open("redis", JOBS);
  const redis = site.redis!;
  await using proxy = new Proxy(redis.port);
  const begin = new Scripts().get("begin").sha;
  let begins = 0;
  // The server has the command and answers only after the signal.
  proxy.decide = (request) => {
    if (request.includes(begin) && ++begins === 1) redis.pause();
    return "answered";
  };
  const mqk = await site.runOn(`redis://127.0.0.1:${proxy.port}`, "-w", "1");
  const [worker] = await site.serving(mqk, 1);
  const job = await site.client.invoke({
    job: "./jobs.ts#onceLong",
    retries: 0,
  });
  await eventually(() => assert.equal(site.lines().length, 1));
  Deno.kill(worker, "SIGKILL");
  await eventually(() => assert.equal(begins, 1), 20_000);
  mqk.signal("SIGQUIT");
  setTimeout(() => redis.resume(), 300);
  assert.equal(await mqk.exitCode(), 0);
  assert.equal(await redis.call("LLEN", "mqk:{default}:suspect"), 1);
  assert.equal(await redis.call("LLEN", "mqk:{default}:crashed"), 0);
  await site.run("-w", "1");
  await job.result({ timeout: 20 });
  assert.deepEqual(site.lines().map(({ attempt }) => attempt), [1, 1]);
});
