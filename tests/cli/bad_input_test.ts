import assert from "node:assert/strict";
import { mqk } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** Runs a command that must fail with one clear line, and answers with it. */
async function refused(
  args: readonly string[],
  expected: { code: number; line: RegExp; cwd?: string },
): Promise<void> {
  const { code, stdout, stderr } = await mqk(args, { cwd: expected.cwd });
  const what = `mqk ${args.join(" ")}\n${stderr}`;
  assert.equal(code, expected.code, what);
  assert.equal(stdout, "", what);
  assert.match(stderr, /^mqk: [^\n]+\n$/, what);
  assert.match(stderr, expected.line, what);
  assert.doesNotMatch(stderr, /\bat .*:\d+:\d+|s3cret/, what);
}

const USAGE: readonly (readonly [string, RegExp])[] = [
  ["run --frobnicate", /unknown option '--frobnicate'/],
  ["run -w -1", /-w, --workers.*'-1' is invalid.*whole number/],
  ["run -w many", /'many' is invalid.*whole number from 1/],
  ["run -w 0", /'0' is invalid/],
  ["run nobody.ts", /module nobody\.ts: there is no such file below/],
  ["run --concurrency 0", /'0' is invalid/],
  ["run --queue a}b", /queue name "a}b".*\[A-Za-z0-9_.-\]/],
  ["run --root /no/such/folder", /root \/no\/such\/folder: no such folder/],
  ["run --allow-import ftp://x", /'ftp:\/\/x' is invalid.*https/],
  ["run --shutdown-timeout soon", /'soon' is invalid/],
  ["run --log-format xml", /'xml' is invalid.*text, json/],
  ["run -s mysql://u:s3cret@h", /DSN "mysql:\/\/u:\*\*\*@h".*redis:\/\//],
  ["invoke", /missing required argument 'reference'/],
  ["invoke --ttl 0 mqk:calculator#sum", /'0' is invalid/],
  ["invoke mqk:calculator#a.b.c", /at most two levels/],
  ["invoke mqk:calculator#sum -i none", /'none' is invalid/],
  ["invoke ./x.ts#f --queue a}b", /queue name "a}b"/],
  ["monitor --interval never", /'never' is invalid/],
  ["queues --interval never", /'never' is invalid/],
  ["queues --queue a}b", /queue name "a}b"/],
  ["jobs --state lost", /'lost' is invalid.*one of scheduled, blocked/],
  ["jobs --since lately", /'lately' is invalid.*90s, 15m, 2h or 7d/],
  ["jobs --limit 0", /'0' is invalid/],
  ["jobs --job x.ts#a.b.c", /at most two levels/],
  ["jobs a/b", /"a\/b" as the handle of a job/],
  ["job", /missing required argument 'handle'/],
  ["job a/b", /"a\/b" as the handle of a job/],
  ["retry", /Cannot retry all jobs: give ids, or a filter/],
  ["retry --state held", /'held' is invalid.*one of scheduled, retry, failed/],
  ["delete", /Cannot delete all jobs: give ids, or a filter/],
  ["delete --yes", /Cannot delete all jobs: give ids, or a filter/],
  ["failed retry", /give ids, or else --all/],
  ["failed delete", /give ids, or else --all/],
  ["run --queue a=5 --queue b", /with and without a weight: give all one/],
  ["run --queue a --queue b=5", /with and without a weight: give all one/],
  ["run --queue a=0", /'a=0' is invalid.*whole number from 1 to 1000/],
  ["run --queue a=5=3", /'a=5=3' is invalid.*whole number/],
  ["run --queue a=", /'a=' is invalid.*whole number/],
  ["pause", /missing required argument 'queue'/],
  ["pause a a}b", /queue name "a}b"/],
  ["resume a}b", /queue name "a}b"/],
  ["limit", /missing required argument 'queue'/],
  ["limit a}b", /queue name "a}b"/],
  ["limit mail --concurrency 0", /'0' is invalid.*whole number from 1/],
  ["limit mail --rate 100", /'100' is invalid.*jobs\/seconds/],
  ["limit mail --rate 0/60", /rate\.jobs 0: it must be a whole number from 1/],
  ["limit mail --rate 5/0", /rate\.per 0: it must be 0\.1 to 31 days/],
  ["limit mail --group a}b --concurrency 1", /group "a}b"/],
  ["limit mail --group a --each-group", /--group and --each-group: give one/],
  ["limit mail --none --concurrency 1", /drop --none/],
  ["cancel", /Cannot cancel all jobs: give ids, or a filter/],
  ["cancel a/b", /"a\/b" as the handle of a job/],
  ["frobnicate", /unknown command 'frobnicate'/],
];

for (const [args, line] of USAGE) {
  Deno.test(`"mqk ${args}" is one clear line and exit code 2`, async () => {
    await refused(args.split(" "), { code: 2, line });
  });
}

Deno.test("an empty reference is one clear line and exit code 2", async () => {
  await refused(["invoke", ""], { code: 2, line: /empty reference/ });
});

Deno.test("a deno.json that is no JSON is one clear line and exit code 2", async () => {
  await using dir = new TempDir();
  dir.write("deno.json", '{ "imports": {');
  await refused(["run", "--burst"], {
    code: 2,
    line: /Cannot read .*deno\.json: it must be JSON: /,
    cwd: dir.path,
  });
});

Deno.test("arguments of more than 1 MiB are refused with its size and the limit", async () => {
  await using dir = new TempDir();
  const text = "x".repeat(100_000);
  const args = Array.from({ length: 11 }, () => text);
  await refused(["invoke", "-s", "sqlite:q", "mqk:calculator#sum", ...args], {
    code: 2,
    line: /1048576|1 MiB/,
    cwd: dir.path,
  });
});

Deno.test("a file that is no SQLite database is named", async () => {
  await using dir = new TempDir();
  const path = dir.write("queue.sqlite", "this is not a database at all\n");
  for (const command of ["invoke mqk:calculator#sum 1 2", "run --burst"]) {
    await refused([...command.split(" "), "-s", `sqlite:${path}`], {
      code: 1,
      line: /queue\.sqlite/,
    });
  }
  assert.equal(
    Deno.readTextFileSync(path),
    "this is not a database at all\n",
  );
});

Deno.test("a folder that can't be written is named", async () => {
  await refused(["invoke", "mqk:calculator#sum", "-s", "sqlite:/proc/q/q"], {
    code: 1,
    line: /\/proc\/q/,
  });
});

Deno.test("a port that refuses and a port that is silent are one line each", async () => {
  const silent = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = silent.addr as Deno.NetAddr;
  const dsn = `redis://:s3cret@127.0.0.1:${port}`;
  const open: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of silent) open.push(connection);
  })();
  const startedAt = performance.now();
  await Promise.all(
    ["invoke mqk:calculator#sum", "run", "monitor", "failed list"].map((
      command,
    ) =>
      refused([...command.split(" "), "-s", dsn], {
        code: 1,
        line: new RegExp(`127\\.0\\.0\\.1:${port}`),
      })
    ),
  );
  assert.ok(performance.now() - startedAt < 20_000);
  silent.close();
  for (const connection of open) connection.close();
  await accepting;
  for (const command of ["invoke mqk:calculator#sum", "run -w 3"]) {
    await refused([...command.split(" "), "-s", dsn], {
      code: 1,
      line: new RegExp(`127\\.0\\.0\\.1:${port}: Connection refused$`, "m"),
    });
  }
});

Deno.test("a wrong password is one line that does not show it", async () => {
  await using redis = await RedisServer.start({
    password: "right",
  });
  const dsn = `redis://:s3cret@127.0.0.1:${redis.port}`;
  for (const command of ["invoke mqk:calculator#sum", "run", "monitor"]) {
    await refused([...command.split(" "), "-s", dsn], {
      code: 1,
      line: /WRONGPASS|password/,
    });
  }
});
