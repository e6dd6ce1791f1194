import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { PidFile, PidFileError } from "../../src/master/pid_file.ts";
import { TempDir } from "../harness/temp_dir.ts";

Deno.test("the pid file names this process, and goes at the end", async () => {
  await using folder = new TempDir();
  const path = join(folder.path, "mqk.pid");
  {
    using _file = new PidFile(path);
    assert.equal(Deno.readTextFileSync(path), `${Deno.pid}\n`);
  }
  assert.ok(!existsSync(path));
});

Deno.test("a pid file that names a living process is left alone", async () => {
  await using folder = new TempDir();
  const path = folder.write("mqk.pid", `${Deno.ppid}\n`);
  assert.throws(() => new PidFile(path), PidFileError);
  assert.equal(Deno.readTextFileSync(path), `${Deno.ppid}\n`);
});

Deno.test("a pid file of a dead process is taken over", async () => {
  await using folder = new TempDir();
  const child = new Deno.Command("true").spawn();
  await child.status;
  const path = folder.write("mqk.pid", `${child.pid}\n`);
  using _file = new PidFile(path);
  assert.equal(Deno.readTextFileSync(path), `${Deno.pid}\n`);
});

Deno.test("a pid file in a folder that is missing is a clear error", async () => {
  await using folder = new TempDir();
  assert.throws(
    () => new PidFile(join(folder.path, "no", "mqk.pid")),
    /Cannot write pid file .*mqk\.pid/,
  );
});
