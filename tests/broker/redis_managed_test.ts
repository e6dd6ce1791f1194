/**
 * Servers that others run: what an administrator uses is forbidden there, or
 * not there at all.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import type { Finding } from "../../src/broker/diagnosis.ts";
import { mqk, MqkProcess } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";

const RIGHTS = [
  ...["~mqk:*", "&mqk:*", "+@read", "+@write", "+@scripting", "+@pubsub"],
  ...["+@connection", "+time", "-@dangerous"],
];
/** INFO apart, which the harness itself asks for. */
const MISSING = ["CONFIG", "CLIENT", "CLUSTER", "WAIT", "ROLE", "DEBUG"];
/** More than a worker waits for with a connection each. */
const QUEUES = Array.from({ length: 12 }, (_, n) => `q${n}`);
/** Far above the interval at which a worker looks when nobody tells it. */
const WITHIN_MS = 2_000;

/** A server, and the DSN of a user of it with these rights. */
async function open(
  config: readonly string[],
  ...rights: string[]
): Promise<{ server: RedisServer; dsn: string }> {
  const server = await RedisServer.start({ config });
  await server.call("ACL", "SETUSER", "app", "on", ">secret", ...rights);
  return { server, dsn: server.dsn.replace("//", "//app:secret@") };
}

const WAYS = {
  "forbids": () =>
    open([], ...RIGHTS, "-info", ...MISSING.map((name) => `-${name}`)),
  "lacks": () =>
    open(
      MISSING.flatMap((name) => ["--rename-command", name, ""]),
      ...RIGHTS,
      "-info",
    ),
};

for (const [how, start] of Object.entries(WAYS)) {
  Deno.test(`a worker of many queues needs no command that a managed server ${how}`, async () => {
    const { server, dsn } = await start();
    await using _server = server;
    await using run = await MqkProcess.run(
      dsn,
      ...["-w", "1", ...QUEUES.flatMap((queue) => ["--queue", queue])],
    );
    await using client = connect(dsn);
    const tookMs: number[] = [];
    for (const queue of QUEUES) {
      const startedMs = performance.now();
      const job = await client.invoke(
        { job: "mqk:calculator#sum", queue },
        ...[1, 2],
      );
      assert.equal(await job.result({ timeout: 10 }), 3);
      tookMs.push(performance.now() - startedMs);
    }
    const worstMs = Math.round(Math.max(...tookMs));
    console.log(`an idle worker had a job done within ${worstMs} ms`);
    assert.ok(worstMs < WITHIN_MS);
    const said = run.stderr.filter((line) => /WARNING|ERROR/.test(line));
    assert.deepEqual(said, []);
  });

  Deno.test(`doctor and the other commands need none that a managed server ${how}`, async () => {
    const { server, dsn } = await start();
    await using _server = server;
    const { code, stdout, stderr } = await mqk(
      ["doctor", "-s", dsn, "--json"],
    );
    assert.equal(code, 0, stdout + stderr);
    const findings = stdout.trim().split("\n")
      .map((line) => JSON.parse(line) as Finding);
    const states = findings.map(({ check, state }) => [check, state]);
    assert.deepEqual(Object.fromEntries(states), {
      "connection": "ok",
      "version": "unknown",
      "role": "unknown",
      "append-only file": "unknown",
      "eviction": "unknown",
      "memory": "unknown",
      "clock": "ok",
      "cluster": "unknown",
      "rehearsal": "ok",
      "schema": "ok",
      "keys": "ok",
    });
    for (
      const command of [
        ["invoke", "mqk:calculator#sum", "1", "2"],
        ["run", "-b", "-w", "1"],
        ["failed", "list"],
      ]
    ) {
      const end = await mqk([...command, "-s", dsn]);
      assert.equal(end.code, 0, end.stderr);
    }
  });
}
