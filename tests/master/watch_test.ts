import assert from "node:assert/strict";
import { join } from "node:path";
import { watchFiles } from "../../src/master/watch.ts";
import { eventually } from "../harness/eventually.ts";
import { TempDir } from "../harness/temp_dir.ts";

Deno.test("changes that come together are told once, those of a queue never", async () => {
  await using folder = new TempDir();
  folder.write("node_modules/a.ts", "");
  folder.write("jobs/a.ts", "");
  let changes = 0;
  const except = [join(folder.path, "queue.sqlite")];
  using _watch = watchFiles(folder.path, () => changes++, except);
  folder.write("queue.sqlite-wal", "x");
  folder.write("node_modules/a.ts", "x");
  folder.write(".mqk/queue.sqlite", "x");
  // Events are told in order, so those above were not told if only these are.
  folder.write("jobs/a.ts", "x");
  folder.write("jobs/b.ts", "x");
  await eventually(() => assert.equal(changes, 1));
  folder.write("queue.sqlite-wal", "xx");
  folder.write("jobs/a.ts", "xx");
  await eventually(() => assert.equal(changes, 2));
});
