import assert from "node:assert/strict";
import { BrokerError } from "../../src/errors.ts";
import { connect } from "../../src/client/client.ts";
import { eventually } from "../harness/eventually.ts";
import { MqkProcess } from "../harness/mqk_process.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** A small file system of its own, as root may mount one. */
class SmallDisk implements AsyncDisposable {
  readonly #dir = new TempDir();

  constructor(megabytes: number) {
    asRoot(
      "mount",
      "-t",
      "tmpfs",
      "-o",
      `size=${megabytes}m`,
      "mqk",
      this.path,
    );
    asRoot("chmod", "777", this.path);
  }

  get path(): string {
    return this.#dir.path;
  }

  /** Takes all that is left. */
  fill(): void {
    using file = Deno.openSync(`${this.path}/filler`, {
      create: true,
      write: true,
    });
    const block = new Uint8Array(4096);
    try {
      for (;;) file.writeSync(block);
    } catch {
      // Now it is full.
    }
  }

  free(): void {
    Deno.removeSync(`${this.path}/filler`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    asRoot("umount", "-l", this.path);
    await this.#dir[Symbol.asyncDispose]();
  }
}

function asRoot(...args: string[]): void {
  const [command, ...rest] = Deno.uid() === 0 ? args : ["sudo", "-n", ...args];
  const { success, stderr } = new Deno.Command(command, { args: rest })
    .outputSync();
  assert.ok(success, `${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

const JOBS = `
export async function work(a: number) {
  await Deno.writeTextFile("ran.txt", a + "\\n", { append: true });
  await new Promise((resolve) => setTimeout(resolve, 500));
  return a;
}
`;

Deno.test("a full disk refuses new jobs clearly, and when it has room again all jobs are done once", async () => {
  await using disk = new SmallDisk(8);
  await using project = new TempDir();
  project.write("deno.json", "{}");
  project.write("jobs.ts", JOBS);
  const dsn = `sqlite:${disk.path}/queue.sqlite`;
  await using client = connect(dsn);
  await using mqk = await MqkProcess.in(
    project.path,
    ...["-s", dsn, "-w", "2", "--concurrency", "2"],
  );
  const invoke = (a: number) => client.invoke("./jobs.ts#work", a);
  const lines = () => {
    try {
      return Deno.readTextFileSync(`${project.path}/ran.txt`).trim().split(
        "\n",
      );
    } catch {
      return [];
    }
  };
  const jobs = await Promise.all(
    Array.from({ length: 40 }, (_, a) => invoke(a)),
  );
  await eventually(() => assert.ok(lines().length >= 4), 20_000);
  disk.fill();
  // What is left in the file's own pages takes a few jobs more.
  await eventually(async () => {
    try {
      jobs.push(
        await client.invoke("./jobs.ts#work", jobs.length),
      );
    } catch (error) {
      assert.ok(error instanceof BrokerError, String(error));
      assert.match(error.message, /full/);
      return true;
    }
    return false;
  });
  await eventually(() =>
    assert.ok(
      mqk.stderr.some((line) => /full/.test(line)),
      mqk.stderr.join("\n"),
    )
  );
  const said = mqk.stderr.filter((line) => /full/.test(line)).length;
  assert.ok(said <= 6, mqk.stderr.join("\n"));
  disk.free();
  const results = await Promise.all(
    jobs.map((job) => job.result({ timeout: 30 })),
  );
  assert.deepEqual(results, jobs.map((_, a) => a));
  assert.equal(new Set(lines()).size, jobs.length);
  assert.equal(lines().length, jobs.length);
  assert.equal(await (await invoke(-1)).result({ timeout: 10 }), -1);
});
