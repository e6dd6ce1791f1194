import assert from "node:assert/strict";
import { connect, EnqueueUncertainError } from "../../mod.ts";
import { eventually } from "../harness/eventually.ts";
import { mqk } from "../harness/mqk_process.ts";
import { RedisServer } from "../harness/redis_server.ts";

async function withReplica(): Promise<
  { master: RedisServer; replica: RedisServer }
> {
  const master = await RedisServer.start();
  const replica = await RedisServer.start({
    config: ["--replicaof", "127.0.0.1", String(master.port)],
  });
  await eventually(async () => {
    const text = String(await replica.call("INFO", "replication"));
    assert.match(text, /master_link_status:up/);
  }, 30_000);
  return { master, replica };
}

Deno.test("a job that is to be on a replica is there when the call resolves", async () => {
  const { master, replica } = await withReplica();
  await using _master = master;
  await using _replica = replica;
  await using client = connect(master.dsn, { replicas: 1 });
  for (let i = 1; i <= 20; i++) {
    await client.invoke("mqk:calculator#sum", i, 1);
    // What it has received it may not have done yet.
    await eventually(async () =>
      assert.equal(await replica.call("LLEN", "mqk:{default}:ready"), i)
    );
  }
  await client.invoke({ job: "mqk:calculator#sum", delay: 60 }, 1, 2);
  const { code } = await mqk([
    ...["invoke", "mqk:calculator#sum", "1", "2", "--replicas", "1"],
    ...["-s", master.dsn],
  ]);
  assert.equal(code, 0);
});

Deno.test("a job that no replica confirms is uncertain, and stored once", async () => {
  const { master, replica } = await withReplica();
  await using _master = master;
  await using _replica = replica;
  await using client = connect(`${master.dsn}?replicas=1`);
  replica.pause();
  const calls = [1, 2].map((n) => ({
    job: "mqk:calculator#sum",
    args: [n, n],
  }));
  await assert.rejects(client.invokeMany(calls), (error) => {
    assert.ok(error instanceof EnqueueUncertainError, `${error}`);
    assert.equal(error.confirmed.length, 0);
    assert.equal(error.uncertain.length, 2);
    assert.match(error.message, /0 of 1 replicas/);
    return true;
  });
  assert.equal(await master.call("LLEN", "mqk:{default}:ready"), 2);
  replica.resume();
});

Deno.test("a job that is stored is uncertain if nobody can wait for its replica", async () => {
  const { master, replica } = await withReplica();
  await using _master = master;
  await using _replica = replica;
  const uncertain = async (dsn: string, reason: RegExp) => {
    await using client = connect(dsn, { replicas: 1 });
    await assert.rejects(
      client.invoke("mqk:calculator#sum", 1, 2),
      (error) => {
        assert.ok(error instanceof EnqueueUncertainError, `${error}`);
        assert.match(error.message, reason);
        return true;
      },
    );
  };
  const ready = () => master.call("LLEN", "mqk:{default}:ready");
  await master.call(
    ...["ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-wait"],
  );
  await uncertain(
    master.dsn.replace("//", "//app:secret@"),
    /Cannot wait for replicas: NOPERM .*'wait'/,
  );
  assert.equal(await ready(), 1);
  // Its master becomes a replica itself while the second one waits.
  replica.pause();
  const refused = uncertain(master.dsn, /Cannot wait for replicas: UNBLOCKED/);
  await eventually(async () => assert.equal(await ready(), 2));
  await master.call("REPLICAOF", "127.0.0.1", replica.port);
  await refused;
  replica.resume();
});
