import assert from "node:assert/strict";
import {
  BrokerUnavailableError,
  SchemaError,
} from "../../src/broker/broker.ts";
import {
  RedisBroker,
  type RedisOptions,
} from "../../src/broker/redis/redis_broker.ts";
import { RedisInspector } from "../../src/broker/redis/redis_inspector.ts";
import { BrokerError, EnqueueUncertainError } from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";

const REQUEST = { limit: 10, bytes: 1000, known: 0, idle: true };

function open(
  server: RedisServer,
  options?: RedisOptions,
): Promise<RedisBroker> {
  return RedisBroker.open({ kind: "redis", url: server.url }, options);
}

function job(n: number): { id: string; queue: string; message: string } {
  return { id: `p.${n}`, queue: "q", message: `job ${n}` };
}

async function refusal(url: string): Promise<Error> {
  const startedMs = performance.now();
  const error = await RedisBroker.open({ kind: "redis", url }).then(
    () => assert.fail("It was opened"),
    (error) => error,
  );
  assert.ok(error instanceof BrokerError, `${error}`);
  assert.ok(performance.now() - startedMs < 5000);
  assert.doesNotMatch(error.message, /\n/);
  const shown = Deno.inspect(error);
  assert.doesNotMatch(shown, /geheim|s%65cret|secret/);
  return error;
}

Deno.test("redis: a port that refuses is one line that names it", async () => {
  const port = freePort();
  const { message } = await refusal(`redis://:geheim@127.0.0.1:${port}`);
  assert.match(message, new RegExp(`Cannot reach Redis at 127.0.0.1:${port}`));
  await assert.rejects(
    RedisInspector.open({ kind: "redis", url: `redis://127.0.0.1:${port}` }),
    BrokerError,
  );
});

Deno.test("redis: a port that accepts and stays silent is refused within 5 s", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) accepted.push(connection);
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const { message } = await refusal(`redis://:geheim@127.0.0.1:${port}`);
  assert.match(message, /no answer in \d+ ms/);
  for (const connection of accepted) connection.close();
  listener.close();
  await accepting;
});

Deno.test("redis: a wrong password is refused and never shown", async () => {
  await using server = await RedisServer.start({ password: "right" });
  const at = `127.0.0.1:${server.port}`;
  const wrong = await refusal(`redis://:geheim@${at}`);
  assert.match(wrong.message, /WRONGPASS/);
  assert.match(
    (await refusal(`redis://nobody:s%65cret@${at}`)).message,
    /WRONGPASS/,
  );
  assert.match((await refusal(`redis://${at}`)).message, /NOAUTH/);
});

Deno.test("redis: scripts that the server forgot are sent again", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  await server.call("SCRIPT", "FLUSH");
  await broker.enqueue([job(1), { ...job(2), idempotencyKey: "key" }]);
  const batch = await broker.reserve("w", "q", REQUEST);
  assert.deepEqual(batch.messages, ["job 1", "job 2"]);
  await server.call("SCRIPT", "FLUSH");
  const settled = broker.settle("w", "q", [
    { kind: "done", token: batch.tokens[0] },
  ]);
  // Sent behind the settlement, and not before it.
  const next = await broker.reserve("w", "q", { ...REQUEST, known: 1 });
  assert.equal(await settled, 1);
  assert.deepEqual(next.messages, []);
});

Deno.test("redis: after a command that was not answered the next one works", async () => {
  await using server = await RedisServer.start({ aof: true });
  await using broker = await open(server, { deadlineMs: 500 });
  await broker.enqueue([job(1)]);
  server.pause();
  const unanswered = [
    broker.reserve("w", "q", REQUEST),
    broker.renew("w", ["q"]),
    broker.counts(["q"]),
    broker.results("q", ["p.1"]),
  ];
  for (const command of unanswered) {
    await assert.rejects(command, BrokerUnavailableError);
  }
  server.resume();
  const gone = await broker.reconcile("w", "q", []);
  assert.deepEqual(gone, []);
  const batch = await broker.reserve("w", "q", REQUEST);
  assert.deepEqual(batch.messages, ["job 1"]);
  await server.kill();
  await assert.rejects(
    broker.settle("w", "q", [{ kind: "done", token: batch.tokens[0] }]),
    BrokerUnavailableError,
  );
  await server.restart();
  const settled = await broker.settle("w", "q", [
    { kind: "done", token: batch.tokens[0] },
  ]);
  assert.equal(settled, 1);
});

Deno.test("redis: a server that still loads its file is unavailable, not broken", async () => {
  await using server = await RedisServer.start({
    aof: true,
    config: [
      "--key-load-delay",
      "300",
      "--loading-process-events-interval-bytes",
      "1024",
    ],
  });
  await using broker = await open(server);
  // Enough that it still loads when a worker's scripts, which come first, are
  // read: the server takes little at a time meanwhile.
  await broker.enqueue(Array.from({ length: 2500 }, (_, n) => ({
    ...job(n),
    idempotencyKey: `${n}`,
  })));
  const restarted = server.restart();
  const errors: unknown[] = [];
  const { ready } = await eventually(async () => {
    try {
      return (await broker.counts(["q"]))[0];
    } catch (error) {
      errors.push(error);
      throw error;
    }
  });
  await restarted;
  assert.equal(ready, 2500);
  assert.ok(errors.every((error) => error instanceof BrokerUnavailableError));
  assert.ok(errors.some((error) => `${error}`.includes("LOADING")));
});

Deno.test("redis: jobs of an enqueue that was not answered are named as uncertain", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server, { deadlineMs: 500 });
  await broker.enqueue([job(0)]);
  server.pause();
  await assert.rejects(broker.enqueue([job(1), job(2)]), (error) => {
    assert.ok(error instanceof EnqueueUncertainError);
    assert.deepEqual(error.uncertain, ["p.1", "p.2"]);
    assert.deepEqual(error.confirmed, []);
    return true;
  });
  server.resume();
});

Deno.test("redis: jobs of an enqueue that could not be sent are not stored for certain", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  await broker.enqueue([job(0)]);
  await server.kill();
  await assert.rejects(broker.enqueue([job(0)]), (error) => {
    // The first one may meet the loss of the connection.
    return error instanceof EnqueueUncertainError ||
      error instanceof BrokerError;
  });
  await assert.rejects(broker.enqueue([job(1)]), BrokerError);
});

Deno.test("redis: of an enqueue to two queues what is refused and what is stored is told apart", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  await server.call("SET", "mqk:{other}:ready", "foreign");
  await assert.rejects(
    broker.enqueue([job(1), { ...job(2), queue: "other" }]),
    (error) => {
      assert.ok(error instanceof EnqueueUncertainError);
      assert.deepEqual([error.confirmed, error.uncertain], [["p.1"], []]);
      assert.match(error.message, /mqk:\{other\}:ready must be a list/);
      return true;
    },
  );
});

Deno.test("redis: a watch hears of results again after the connection was lost", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  const heard: (readonly number[] | undefined)[] = [];
  await using _watch = await broker
    .watchResults("q", "p", (numbers) => heard.push(numbers));
  await server.call("CLIENT", "KILL", "TYPE", "pubsub");
  await eventually(() => heard.length === 1);
  assert.deepEqual(heard, [undefined], "some may have been missed");
  await broker.record("q", [{ id: "p.7", outcome: "1" }]);
  await eventually(() => heard.length === 2);
  assert.deepEqual(heard[1], [7]);
});

Deno.test("redis: a watch that begins while the last one ends hears of results", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  for (let n = 1; n <= 5; n++) {
    const last = await broker.watchResults("q", "p", () => {});
    const ended = last[Symbol.asyncDispose]();
    const heard: (readonly number[] | undefined)[] = [];
    await using _watch = await broker
      .watchResults("q", "p", (numbers) => heard.push(numbers));
    await ended;
    await broker.record("q", [{ id: `p.${n}`, outcome: "1" }]);
    await eventually(() => heard.length === 1, 2000);
    assert.deepEqual(heard, [[n]]);
  }
});

Deno.test("redis: a queue of a later version of this program is not touched", async () => {
  await using server = await RedisServer.start();
  await using broker = await open(server);
  await broker.register(["q"]);
  assert.equal(await server.call("HGET", "mqk:{q}:meta", "v"), "2");
  await server.call("HSET", "mqk:{later}:meta", "v", "3");
  await assert.rejects(broker.register(["q", "later"]), SchemaError);
  await assert.rejects(
    broker.enqueue([{ ...job(1), queue: "later" }]),
    /queue later: its keys have version 3, this program writes version 2/,
  );
  assert.equal(await server.call("EXISTS", "mqk:{later}:ready"), 0);
});

Deno.test("redis: settings that can lose jobs are named, if they can be read", async () => {
  await using server = await RedisServer.start({ aof: true });
  await using broker = await open(server);
  assert.deepEqual(await broker.warnings(), []);
  await server.call("CONFIG", "SET", "appendonly", "no");
  await server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  const warnings = await broker.warnings();
  assert.equal(warnings.length, 2);
  assert.match(warnings[0], /appendonly yes/);
  assert.match(warnings[1], /maxmemory-policy noeviction/);
  await server.call("ACL", "SETUSER", "default", "-config");
  assert.deepEqual(await broker.warnings(), []);
});

Deno.test("redis: a client ends by itself, and only after what it sent is confirmed", async () => {
  await using server = await RedisServer.start();
  const module = import.meta.resolve("../../src/broker/redis/redis_broker.ts");
  const script = `
    import { RedisBroker } from ${JSON.stringify(module)};
    const broker = await RedisBroker.open(
      { kind: "redis", url: ${JSON.stringify(server.url)} },
      { role: "client" },
    );
    await broker.watchResults("q", "p", () => {});
    broker.enqueue([{ id: "p.1", queue: "q", message: "job" }])
      .then(() => console.log("confirmed"));
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", script],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stdout), "confirmed\n");
  assert.equal(await server.call("LLEN", "mqk:{q}:ready"), 1);
});

Deno.test("redis: a program that can't reach a server ends soon after it was told", async () => {
  // Suspended, and with as many connections as it lets wait.
  await using server = await RedisServer.start({
    config: ["--tcp-backlog", "1"],
  });
  server.pause();
  const waiting: Deno.Conn[] = [];
  for (let isFull = false; !isFull;) {
    const signal = AbortSignal.timeout(500);
    await Deno.connect({ port: server.port, signal }).then(
      (connection) => waiting.push(connection),
      () => isFull = true,
    );
  }
  assert.ok(waiting.length > 0);
  const module = import.meta.resolve("../../mod.ts");
  const script = `
    import { connect } from ${JSON.stringify(module)};
    const client = connect(${JSON.stringify(server.url)});
    await client.invoke("mqk:calculator#sum", 1, 2)
      .catch((error) => console.log(error.message));
  `;
  const startedMs = performance.now();
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", script],
    signal: AbortSignal.timeout(60_000),
  }).output();
  for (const connection of waiting) connection.close();
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stdout), /no answer in 4000 ms/);
  assert.ok(performance.now() - startedMs < 20_000);
});

Deno.test("redis: a closed broker opens no connection any more", async () => {
  await using server = await RedisServer.start();
  const broker = await open(server);
  await broker[Symbol.asyncDispose]();
  const { signal } = new AbortController();
  for (
    const call of [
      () => broker.reserve("w", "q", REQUEST),
      () => broker.wait(["q"], signal),
      () => broker.wait(Array.from({ length: 9 }, (_, n) => `q${n}`), signal),
      () => broker.watchResults("q", "p", () => {}),
    ]
  ) {
    await assert.rejects(call, BrokerUnavailableError);
  }
});
