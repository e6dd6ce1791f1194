/**
 * A master, its replicas and their sentinels, through a failover under load.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect, EnqueueUncertainError } from "../../mod.ts";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { freePort } from "../harness/redis_server.ts";
import { Sentinels } from "../harness/sentinels.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** Of promotion, until workers and producers go on. */
const WITHIN_MS = 15_000;

const JOBS = `
export function note(n: number) {
  const log = new URL("log.txt", import.meta.url);
  Deno.writeTextFileSync(log, n + "\\n", { append: true });
}`;

for (const how of ["kill", "pause"] as const) {
  Deno.test(`workers and producers follow Sentinel through a failover (${how})`, async () => {
    await using dir = new TempDir();
    dir.write("jobs.ts", JOBS);
    await using sentinels = await Sentinels.start();
    const { master } = sentinels;
    // The first one is away: the next is asked.
    const dsn = sentinels.dsn.replace("@", `@127.0.0.1:${freePort()},`);
    await using client = connect(dsn, { replicas: 1 });
    await using _run = await MqkProcess.run(
      dsn,
      ...["--root", dir.path, "-w", "1"],
    );
    const confirmed = new Set<number>();
    let uncertain = 0;
    let n = 0;
    let ends = false;
    const produce = async () => {
      while (!ends) {
        const own = n++;
        try {
          await client.invoke("./jobs.ts#note", own);
          confirmed.add(own);
        } catch (error) {
          if (error instanceof EnqueueUncertainError) uncertain++;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const producers = [produce(), produce()];
    const ran = () =>
      new Set(
        Deno.readTextFileSync(`${dir.path}/log.txt`).trim().split("\n")
          .map(Number),
      );
    await eventually(() => assert.ok(ran().size > 50), 30_000);
    if (how === "kill") await master.kill();
    else master.pause();
    await sentinels.promoted();
    const promotedAtMs = performance.now();
    const before = Math.max(...ran());
    await eventually(
      () => assert.ok(Math.max(...ran()) > before + 20),
      2 * WITHIN_MS,
    );
    console.log(
      `${how}: jobs run ${Math.round(performance.now() - promotedAtMs)} ms ` +
        `after the promotion`,
    );
    if (how === "kill") await master.restart();
    else master.resume();
    await eventually(
      async () => assert.equal(await sentinels.isMaster(master), false),
      60_000,
    );
    ends = true;
    await Promise.all(producers);
    await eventually(() => {
      const done = ran();
      const missing = [...confirmed].filter((one) => !done.has(one));
      assert.deepEqual(missing, []);
    }, 30_000);
    console.log(`${confirmed.size} confirmed, all ran; ${uncertain} uncertain`);
  });
}

Deno.test("sentinels that know no such master are one clear line", async () => {
  await using sentinels = await Sentinels.start({ replicas: 0 });
  await using client = connect(sentinels.dsn.replace(/shop$/, "shoe"));
  await assert.rejects(
    client.invoke("mqk:calculator#sum", 1, 2),
    /Cannot reach Redis at master shoe of .*: sentinel .* knows no master shoe/,
  );
});
