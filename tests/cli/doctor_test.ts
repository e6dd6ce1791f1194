import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import type { Finding } from "../../src/broker/diagnosis.ts";
import { mqk } from "../harness/mqk_process.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** What the command finds, by the name of the check. */
async function doctor(
  dsn: string,
  ...args: string[]
): Promise<{ code: number; findings: Map<string, Finding> }> {
  const { code, stdout, stderr } = await mqk(
    ["doctor", "-s", dsn, "--json", ...args],
  );
  assert.equal(stderr, "");
  const findings = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return { code, findings: new Map(findings.map((one) => [one.check, one])) };
}

Deno.test("doctor finds nothing to change in a good server, and leaves nothing there", async () => {
  await using server = await RedisServer.start({ aof: true });
  await using client = connect(server.dsn);
  await client.invoke("mqk:calculator#sum", 1, 2);
  const before = (await server.call("KEYS", "*") as string[]).sort();
  const { code, findings } = await doctor(server.dsn);
  assert.equal(code, 0, JSON.stringify([...findings.values()]));
  for (const { state, found } of findings.values()) {
    assert.equal(state, "ok", found);
  }
  assert.ok(findings.size >= 10);
  assert.deepEqual((await server.call("KEYS", "*") as string[]).sort(), before);
  const { stdout } = await mqk(["doctor", "-s", server.dsn]);
  assert.match(stdout, /^redis:\/\/127.*\nok +connection +127\.0\.0\.1:\d+ /);
});

Deno.test("doctor says what to change in a server, and why", async () => {
  await using server = await RedisServer.start({
    config: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
  });
  await using client = connect(server.dsn);
  await client.invoke("mqk:calculator#sum", 1, 2);
  await server.call("SET", "mqk:{default}:retry", "foreign");
  const { code, findings } = await doctor(server.dsn);
  assert.equal(code, 1);
  const states = (name: string) => findings.get(name)?.state;
  assert.equal(states("append-only file"), "problem");
  assert.equal(states("eviction"), "problem");
  assert.match(findings.get("eviction")!.advice!, /noeviction/);
  assert.equal(states("keys"), "problem");
  assert.match(findings.get("keys")!.found, /mqk:\{default\}:retry \(string\)/);

  await server.call("DEL", "mqk:{default}:retry");
  await server.call("RPUSH", "mqk:{gone}:ready", "{}");
  await server.call("HSET", "mqk:{default}:meta", "v", 99);
  const again = (await doctor(server.dsn)).findings;
  assert.equal(again.get("keys")?.state, "warning");
  assert.match(again.get("keys")!.found, /stray: mqk:\{gone\}:ready/);
  assert.equal(again.get("schema")?.state, "problem");
});

Deno.test("doctor tells a replica and a cluster from a server that takes jobs", async () => {
  await using master = await RedisServer.start();
  await using replica = await RedisServer.start({
    config: ["--replicaof", "127.0.0.1", String(master.port)],
  });
  const { code, findings } = await doctor(replica.dsn);
  assert.equal(code, 1);
  assert.equal(findings.get("role")?.state, "problem");
  assert.equal(findings.get("rehearsal")?.state, "problem");
  await using node = await RedisServer.start({
    config: ["--cluster-enabled", "yes"],
  });
  const cluster = (await doctor(node.dsn)).findings.get("cluster");
  assert.equal(cluster?.state, "problem");
});

Deno.test("doctor needs no more rights than the manual lists, and says what it may not see", async () => {
  await using server = await RedisServer.start({ aof: true });
  const rights =
    "~mqk:* &mqk:* +@read +@write +@scripting +@pubsub +@connection +time -@dangerous";
  await server.call(
    "ACL",
    "SETUSER",
    "app",
    "on",
    ">secret",
    ...rights.split(" "),
  );
  const dsn = `redis://app:secret@127.0.0.1:${server.port}`;
  const { code, findings } = await doctor(dsn);
  assert.equal(code, 0, JSON.stringify([...findings.values()]));
  assert.equal(findings.get("rehearsal")?.state, "ok");
  assert.equal(findings.get("eviction")?.state, "unknown");
  const { stdout } = await mqk(["doctor", "-s", dsn]);
  assert.ok(!stdout.includes("secret"), stdout);

  await server.call("ACL", "SETUSER", "app", "-publish");
  const poor = (await doctor(dsn)).findings.get("rehearsal");
  assert.equal(poor?.state, "problem");
});

Deno.test("doctor says in one line that a server can't be reached", async () => {
  const { code, findings } = await doctor(`redis://127.0.0.1:${freePort()}`);
  assert.equal(code, 1);
  assert.deepEqual([...findings.keys()], ["connection"]);
});

Deno.test("doctor looks at a file, and makes none", async () => {
  await using dir = new TempDir();
  const path = `${dir.path}/queue.sqlite`;
  const missing = await doctor(`sqlite:${path}`);
  assert.equal(missing.code, 0);
  assert.match(missing.findings.get("file")!.found, /not there yet/);
  assert.deepEqual([...Deno.readDirSync(dir.path)], []);
  {
    await using client = connect(`sqlite:${path}`);
    await client.invoke("mqk:calculator#sum", 1, 2);
  }
  const good = await doctor(`sqlite:${path}`);
  assert.equal(good.code, 0, JSON.stringify([...good.findings.values()]));
  assert.equal(good.findings.get("rehearsal")?.state, "ok");
  const monitor = await mqk(["failed", "list", "-s", `sqlite:${path}`]);
  assert.equal(monitor.stdout, "");
  Deno.writeTextFileSync(`${dir.path}/other.sqlite`, "no database at all");
  const bad = await doctor(`sqlite:${dir.path}/other.sqlite`);
  assert.equal(bad.code, 1);
});
