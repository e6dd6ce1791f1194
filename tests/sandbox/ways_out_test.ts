import assert from "node:assert/strict";
import { assertRefused, Scene } from "./scene.ts";
import * as ways from "./ways_out.ts";

const SOURCE = Deno.readTextFileSync(
  new URL("./ways_out.ts", import.meta.url),
);
/** The password of the broker, and what the files outside the root hold. */
const SECRET = /s3cret|hush-hush/;

const FILES = {
  "root/jobs/ways_out.ts": SOURCE,
  "root/jobs/reaches_out.ts": `export * from "../../secret.ts";`,
  "secret.ts": `export const secret = "hush-hush";`,
  "secret.cjs": `exports.secret = "hush-hush";`,
  "secret.json": `{ "secret": "hush-hush" }`,
};

/** Where a way ends without asking for a permission. */
const OTHERWISE: Readonly<Record<string, RegExp>> = {
  "a blob: module": /Requires|Module not found/,
  "a script": /Requires|dynamic import callback/,
  "a compiled function": /Requires|dynamic import callback/,
  "a Web Worker with more": /escalate/,
  "asking for more": /not denied/,
  "the messages of its thread": /read only/,
  "the events of its thread": /redefine|not extensible/,
  "a symbolic link to it": /requires unscoped --allow-read and --allow-write/,
  "it, attached": /too many attached databases/,
};

async function open(
  broker: "redis" | "sqlite",
  ...flags: string[]
): Promise<Scene> {
  const scene = await Scene.open({ broker, files: FILES, flags });
  const link = (to: string, name: string) =>
    Deno.symlinkSync(to, `${scene.root}/jobs/${name}`);
  link(`${scene.dir.path}/secret.ts`, "leads_out.ts");
  link("/proc/self/environ", "environment");
  link(`/proc/${scene.mqk.pid}/cmdline`, "arguments");
  return scene;
}

/** Each way of a group is closed, and the job is not tried again. */
async function assertClosed(
  scene: Scene,
  ...groups: readonly (keyof typeof ways)[]
): Promise<void> {
  const { root, port } = scene;
  const facts = { folder: scene.dir.path, root, port };
  for (const group of groups) {
    for (const name of Object.keys(ways[group])) {
      const otherwise = OTHERWISE[name];
      const retries = otherwise === undefined ? 2 : 0;
      const job = { job: "./jobs/ways_out.ts#attempt", retries };
      const attempt = await scene.run(job, group, name, facts);
      const required = otherwise ?? /Requires \w+ access.*mqk run/;
      assert.doesNotMatch(JSON.stringify(attempt), SECRET, name);
      assertRefused(attempt, required);
    }
  }
}

/** Whatever a job finds around it, the secret is not there. */
async function assertNoSecret(scene: Scene): Promise<void> {
  const { root, port } = scene;
  const facts = { folder: scene.dir.path, root, port };
  for (const name of Object.keys(ways.around)) {
    const job = { job: "./jobs/ways_out.ts#attempt" };
    const { got } = await scene.run(job, "around", name, facts);
    assert.equal(typeof got, "string", name);
    assert.doesNotMatch(String(got), SECRET, name);
  }
}

for (const broker of ["sqlite", "redis"] as const) {
  Deno.test(`job code in a sandbox finds no way out beside ${broker}`, async () => {
    await using scene = await open(
      broker,
      "--allow-env",
      "--allow-net=127.0.0.2",
    );
    await assertClosed(
      scene,
      "reading",
      "special",
      "importing",
      "leaving",
      "connecting",
    );
    if (broker === "sqlite") await assertClosed(scene, "queueFile");
    await assertNoSecret(scene);
  });

  Deno.test(`job code that may read all reads nothing of other processes beside ${broker}`, async () => {
    await using scene = await open(
      broker,
      "--allow-read",
      "--allow-sys",
      "--allow-env",
    );
    await assertClosed(scene, "special");
    await assertNoSecret(scene);
  });
}
