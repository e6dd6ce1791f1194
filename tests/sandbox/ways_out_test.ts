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
  "root/jobs/imports.cjs": `exports.load = (url) => import(url);`,
  // Of one line a script sees a comment, a lexer the start of a template.
  "root/jobs/hides.cjs": "<!-- `\nexports.load = (url) => import(url);\n// `\n",
  "secret.ts": `export const secret = "hush-hush";`,
  "secret.cjs": `exports.secret = "hush-hush";`,
  "secret.json": `{ "secret": "hush-hush" }`,
};

/** How the compiled program closes what Deno itself does not ask about. */
const UNAVAILABLE = /is not available to a job in a sandbox/;
const COMPILED = Deno.env.has("MQK_TEST_PROGRAM");

/** Where a way ends without asking for a permission. */
const OTHERWISE: Readonly<Record<string, RegExp>> = {
  "a blob: module": /Requires|Module not found/,
  "a timer with a text": /must be of type function/,
  "the core of the runtime": /Requires|reading 'evalContext'/,
  "an import that a lexer overlooks":
    /Requires|escaped characters|dynamic import callback/,
  "a compiled CommonJS module": /Requires|not a constructor/,
  "a script": /Requires|dynamic import callback/,
  "a script of the process": /Requires|dynamic import callback/,
  "a script of a named export": /Requires|dynamic import callback/,
  "a compiled function": /Requires|dynamic import callback/,
  "a Web Worker with more": /escalate/,
  "asking for more": /not denied/,
  "the messages of its thread": /read only/,
  "the events of its thread": /redefine|not extensible/,
  "a symbolic link to it":
    /requires unscoped --allow-read and --allow-write|Requires write access/,
  "it, attached": /too many attached databases|Requires write access/,
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
      const required = [otherwise ?? /Requires \w+ access.*mqk run/];
      if (COMPILED) required.push(UNAVAILABLE);
      assert.doesNotMatch(JSON.stringify(attempt), SECRET, name);
      const text = required.map(({ source }) => source).join("|");
      assertRefused(attempt, new RegExp(text));
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
