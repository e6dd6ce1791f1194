import assert from "node:assert/strict";
import { Client } from "../../src/broker/redis/client.ts";
import { ServerConnection } from "../../src/broker/redis/connection.ts";
import { NotSentError } from "../../src/broker/redis/errors.ts";
import { parseRedisDsn } from "../../src/broker/redis_dsn.ts";
import { eventually } from "../harness/eventually.ts";
import { RedisServer } from "../harness/redis_server.ts";

/** A server of our own: answers each connection as it is told. */
class Answerer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open: Deno.Conn[] = [];
  readonly #accepting: Promise<void>;
  /** How many connections there were. */
  count = 0;

  /** @param answer The text for each chunk; nothing: none; then it may close. */
  constructor(
    answer: (connection: number) => { text?: string; closes?: boolean },
  ) {
    this.#accepting = this.#accept(answer);
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  async #accept(
    answer: (connection: number) => { text?: string; closes?: boolean },
  ): Promise<void> {
    for await (const connection of this.#listener) {
      this.#open.push(connection);
      void this.#serve(connection, answer(this.count++)).catch(() => {});
    }
  }

  async #serve(
    connection: Deno.Conn,
    { text, closes }: { text?: string; closes?: boolean },
  ): Promise<void> {
    const buffer = new Uint8Array(10_000);
    while (await connection.read(buffer) !== null) {
      if (text !== undefined) {
        await connection.write(new TextEncoder().encode(text));
      }
      if (closes) return connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) {
      try {
        connection.close();
      } catch {
        // It was closed already.
      }
    }
    await this.#accepting;
  }
}

/** Runs a program; answers what it printed, or rejects if it does not end. */
async function run(script: string): Promise<string> {
  const module = import.meta.resolve("../../mod.ts");
  const { stdout, signal } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["eval", "--quiet"],
      `import { connect } from ${JSON.stringify(module)};\n${script}`,
    ],
    signal: AbortSignal.timeout(20_000),
  }).output();
  assert.equal(signal, null, "the program did not end");
  return new TextDecoder().decode(stdout);
}

Deno.test("redis: a server that lets in and closes at once is asked again", async () => {
  await using server = new Answerer((connection) =>
    connection === 0 ? { text: "%0\r\n", closes: true } : { text: "+OK\r\n" }
  );
  let lost = 0;
  await using connection = new ServerConnection({
    url: server.url,
    onLost: () => lost++,
  });
  for (let tries = 0;; tries++) {
    try {
      assert.equal(await connection.call(undefined, ["PING"]), "OK");
      break;
    } catch (error) {
      assert.ok(tries < 3, `${error}`);
    }
  }
  assert.ok(server.count >= 2 && lost <= 1);
});

Deno.test("redis: a server that knows no HELLO does not make us show the password", async () => {
  await using server = await RedisServer.start({
    config: ["--rename-command", "HELLO", "GREET"],
  }).catch(() => assert.fail("the test's own client needs no HELLO"));
  const connection = new ServerConnection({
    url: server.url.replace("//", "//:s3cret@"),
  });
  await assert.rejects(connection.call("k", ["GET", "k"]), (error: Error) => {
    assert.match(error.message, /unknown command/);
    assert.doesNotMatch(Deno.inspect(error), /s3cret/);
    return true;
  });
});

Deno.test("redis: what was not written before the connection was lost is not uncertain", async () => {
  await using server = await RedisServer.start();
  const address = parseRedisDsn(server.url);
  const client = new Client(address, {
    host: "127.0.0.1",
    port: server.port,
  });
  await client.open();
  const written = client.call(["BLPOP", "none", "10"]);
  await eventually(async () =>
    assert.match(String(await server.call("CLIENT", "LIST")), /flags=b/)
  );
  const unwritten = client.call(["PING"]);
  client.close();
  await assert.rejects(unwritten, NotSentError);
  await assert.rejects(client.call(["PING"]), NotSentError);
  await assert.rejects(written, (error) => !(error instanceof NotSentError));
});

Deno.test("redis: a sentinel and a node that stay silent keep no program alive", async () => {
  await using silent = new Answerer(() => ({}));
  const at = silent.url.slice("redis://".length);
  for (const dsn of [`redis+sentinel://${at}/m`, `redis+cluster://${at}`]) {
    const printed = await run(`
      await connect(${JSON.stringify(dsn)}).invoke("mqk:calculator#sum", 1, 2)
        .catch((error) => console.log(error.message));
    `);
    assert.match(printed, /no answer in 1000 ms/);
  }
});
