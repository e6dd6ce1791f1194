import assert from "node:assert/strict";
import { ModuleCache } from "../../src/loader/cache.ts";
import { TempDir } from "../harness/temp_dir.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

Deno.test("cleaning removes what nobody has read for a month, and what dead processes left", async () => {
  await using dir = new TempDir();
  const cache = new ModuleCache(dir.path);
  cache.write("code", "old", "old code");
  cache.write("code", "new", "new code");
  cache.write("remote", "old", "old module");
  const past = new Date(Date.now() - 31 * DAY_MS);
  for (const kind of ["code", "remote"]) {
    for (const { name } of Deno.readDirSync(`${dir.path}/${kind}`)) {
      const path = `${dir.path}/${kind}/${name}`;
      if (/old/.test(Deno.readTextFileSync(path))) {
        Deno.utimeSync(path, past, past);
      }
    }
  }
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", "0"] })
    .spawn();
  await child.status;
  for (const pid of [Deno.pid, child.pid]) {
    dir.write(`run/${pid}-x/0.js`, "");
    Deno.utimeSync(`${dir.path}/run/${pid}-x`, past, past);
  }
  dir.write(`run/${child.pid}-y/0.js`, "");

  cache.clean();
  assert.equal(cache.read("code", "old"), undefined);
  assert.equal(cache.read("remote", "old"), undefined);
  assert.equal(cache.read("code", "new")?.text, "new code");
  assert.deepEqual(
    [...Deno.readDirSync(`${dir.path}/run`)].map(({ name }) => name).sort(),
    [`${Deno.pid}-x`, `${child.pid}-y`].sort(),
  );
});

Deno.test("the cache is cleaned once an hour, whoever asks", async () => {
  await using dir = new TempDir();
  const now = Date.now();
  new ModuleCache(dir.path).clean(now);
  const path = dir.write("run/5000000-x/0.js", "");
  const past = new Date(now - 2 * HOUR_MS);
  Deno.utimeSync(`${dir.path}/run/5000000-x`, past, past);
  new ModuleCache(dir.path).clean(now + HOUR_MS / 2);
  assert.ok(Deno.statSync(path).isFile);
  new ModuleCache(dir.path).clean(now + 1.1 * HOUR_MS);
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
});
