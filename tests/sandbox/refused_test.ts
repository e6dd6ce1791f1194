import assert from "node:assert/strict";
import { assertRefused, Scene } from "./scene.ts";

const JOBS = `
import * as fs from "node:fs";
import { execFileSync } from "node:child_process";
import { currentJob } from "@mqk/core";
import { hostname } from "node:os";
export const attempt = () => currentJob().attempt;
export const cwd = () => Deno.cwd();
export const read = (path: string) => Deno.readTextFileSync(path);
export const readNode = (path: string) => fs.readFileSync(path, "utf8");
export const write = (path: string) => Deno.writeTextFileSync(path, "x");
export const env = (name: string) => Deno.env.get(name) ?? null;
export const allEnv = () => Deno.env.toObject();
export const run = () => new Deno.Command("true").outputSync().code;
export const host = () => hostname();
export const dlopen = () => { Deno.dlopen("libc.so.6", {}); };
export const connect = async (port: number) => { (await Deno.connect({ port })).close(); return "connected"; };
export const get = async (url: string) => (await fetch(url)).status;
export const wrapped = (path: string) => {
  try { Deno.readTextFileSync(path); } catch (cause) { throw new Error("no settings", { cause }); }
};
export const several = async (path: string) => { await Promise.any([Deno.readTextFile(path)]); };
export const caught = (path: string) => {
  try { return Deno.readTextFileSync(path); } catch { return "default"; }
};
export const floats = async (path: string) => {
  Deno.readTextFile(path);
  await new Promise((done) => setTimeout(done, 50));
};
export const load = async (url: string) => Object.keys(await import(url));
`;

Deno.test("a job in a sandbox that is refused fails at once, and its error names the flag", async () => {
  await using scene = await Scene.open({
    files: {
      "root/jobs.ts": JOBS,
      "root/data.txt": "data",
      "secret.txt": "secret",
      "out side.txt": "x",
      "secret.ts": "export const secret = 1;",
      "root/reaches_out.ts":
        `import "../secret.ts"; export default () => "reached";`,
    },
    flags: ["--allow-env=HOME"],
  });
  const { path } = scene.dir;
  const run = (name: string, ...args: unknown[]) =>
    scene.run(`./jobs.ts#${name}`, ...args);
  const secret = `${path}/secret.txt`;
  const opens = (flag: string) => (attempt: Awaited<ReturnType<typeof run>>) =>
    assertRefused(
      attempt,
      new RegExp(
        `mqk run opens it with ${flag.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`,
      ),
    );
  // What is open.
  assert.deepEqual(await run("cwd"), { got: scene.root });
  assert.deepEqual(await run("attempt"), { got: 1 });
  assert.deepEqual(await run("read", "data.txt"), { got: "data" });
  assert.deepEqual(await run("readNode", `${scene.root}/data.txt`), {
    got: "data",
  });
  assert.equal(typeof (await run("env", "HOME")).got, "string");
  assert.deepEqual(await run("caught", secret), { got: "default" });
  // What is not.
  for (const name of ["read", "readNode", "wrapped", "several", "floats"]) {
    opens(`--allow-read=${secret}`)(await run(name, secret));
  }
  opens(`'--allow-read=${path}/out side.txt'`)(
    await run("read", `${path}/out side.txt`),
  );
  opens(`--allow-write=${scene.root}/new.txt`)(
    await run("write", `${scene.root}/new.txt`),
  );
  opens("--allow-env=PATH")(await run("env", "PATH"));
  opens("--allow-env")(await run("allEnv"));
  opens("--allow-run=true")(await run("run"));
  opens("--allow-sys=hostname")(await run("host"));
  opens("--allow-ffi=libc.so.6")(await run("dlopen"));
  opens("--allow-net=127.0.0.1:8123")(await run("connect", 8123));
  opens("--allow-net=example.com:443")(
    await run("get", "https://example.com/"),
  );
  opens(`--allow-read=${path}/secret.ts`)(
    await run("load", `file://${path}/secret.ts`),
  );
  opens(`--allow-read=${path}/secret.ts`)(
    await scene.run("./reaches_out.ts#default"),
  );
  assertRefused(
    await run("load", "https://jobs.example/a.ts"),
    /mqk run opens it with --allow-import=https:\/\/jobs\.example|--allow-import=https:\/\/jobs\.example\/a\.ts on mqk run/,
  );
  assertRefused(
    await scene.run("https://jobs.example/a.ts#default"),
    /--allow-import=https:\/\/jobs\.example\/a\.ts/,
  );
  assertRefused(
    await scene.run(`file://${path}/secret.ts#secret`),
    /must lie below the root/,
  );
});
